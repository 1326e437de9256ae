"""The store as the pages and the API see it: everything they show comes from here, and is made by `dalsegno.query` and its kin.

The store is opened read-only and nothing recorded is imported, unpickled or run; what executes or writes is done by processes of
their own. The methods that are not async block, and may be called from any thread. `project` and `domain` may be left out:
then it is the configured place, or, where that has no such run, the newest run of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, NamedTuple, NoReturn, Unpack

from anyio import to_thread

from dalsegno import query
from dalsegno._comparison_views import ComparisonView, comparison_view
from dalsegno._diff import Side, compare
from dalsegno._family import family_views
from dalsegno._fingerprint import Fingerprints
from dalsegno._identity import ROOT_NAME
from dalsegno._ledger import Ledger
from dalsegno._listing import Query
from dalsegno._task_views import attempt_views, code_view, task_view
from dalsegno._why import explain
from dalsegno.codec import view
from dalsegno.config import Config
from dalsegno.errors import RunNotFoundError, UsageError
from dalsegno.interface import Interface
from dalsegno.models import ActionRecord, Phase, RunRecord
from dalsegno.names import check_name
from dalsegno.ui._children import Children
from dalsegno.ui._kept import Kept
from dalsegno.ui._launch import Do, ask
from dalsegno.ui._orders import Asked, current_root, order
from dalsegno.ui._refusal import ReadOnlyError
from dalsegno.views import (
    ActionView,
    AttemptView,
    ChildrenView,
    ChildView,
    CodeView,
    FamilyView,
    LogView,
    PlanView,
    RunView,
    TaskView,
    WhyView,
)
from dalsegno_storage import open_store

_EPOCH = datetime.fromtimestamp(0, UTC)

MOST_RUNS = 1000
"""A page of the list has at most so many."""

CONTENT = 4 << 20
"""Texts and bytes, such as pictures, are shown up to so many characters or bytes."""

PREVIEW = 100
"""So many elements of an array and rows of a table are shown."""

Tree = list[tuple[int | None, ActionView]]
"""Actions in the order of their tree, each with the place of its parent."""


class Page(NamedTuple):
    """Some runs, the newest first; `next` is what to give as `before` for those that follow, "" at the end."""

    runs: list[RunView]
    next: str


class Reader:
    """One store, open until `close`; with `read_only` nothing can be started or stopped through it."""

    def __init__(self, place: Config, *, read_only: bool = False) -> None:
        self._place = place
        self.read_only = read_only
        self._store = open_store(place.store, create=False, read_only=True)
        self._ledger = Ledger(self._store)
        self._counter = count()
        self._children = Children(self._ledger, self.version)
        self._trees = Kept[Tree](2)
        self._fingerprints = Kept[str](1000)
        self._codes = Kept[CodeView](20)

    @property
    def place(self) -> Config:
        """Where the store is, and the project and domain that are meant where none is named."""
        return self._place

    def close(self) -> None:
        """Give the store back."""
        self._ledger.close()
        self._store.close()

    def version(self) -> int:
        """Another number whenever something was recorded, at every call where the store has no such number; never blocks."""
        version = getattr(self._store, "version", None)
        return next(self._counter) if version is None else int(version())

    # Runs

    def runs(
        self,
        *,
        text: str = "",
        phase: str = "",
        task: str = "",
        label: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        project: str | None = None,
        domain: str | None = None,
        limit: int = 50,
        before: str = "",
    ) -> Page:
        """The runs that fit everything that is given, newest first; one call looks at a bounded number of them.

        `task` is a full name or a part of one, `label` "key=value" or a part of that; whole ones are found by index.
        """
        if not 1 <= limit <= MOST_RUNS:
            raise UsageError(f"limit is a number of runs from 1 to {MOST_RUNS:,}, not {limit}")
        ledger = self._ledger
        whole_task = bool(task) and ledger.has_indexed("task", task)
        key, equals, value = label.partition("=")
        whole_label = bool(equals) and ledger.has_indexed("label", label)
        wanted = Query(
            project=project or None,
            domain=domain or None,
            task=task if whole_task else None,
            phases=frozenset([_phase(phase)]) if phase else None,
            labels={key: value} if whole_label else None,
            text=text.strip(),
            task_text="" if whole_task else task.strip(),
            label_text="" if whole_label else label.strip(),
            since=_nanoseconds(since),
            until=_nanoseconds(until),
        )
        found, following = ledger.run_page(wanted, limit=limit, before=_cursor(before))
        return Page(query.run_views(ledger, found), "" if following is None else f"{following:x}")

    def run(self, name: str, *, project: str | None = None, domain: str | None = None) -> RunView:
        """A run, with its fingerprint once it has ended."""
        run = self._run(name, project, domain)
        view = query.run_views(self._ledger, [run])[0]
        if run.phase.is_terminal:
            known = Fingerprints(self._ledger)
            key = run.id, run.ended_at
            view["fingerprint"] = self._fingerprints.get(key, lambda: known.of_run(run).hex())
        return view

    def lineage(
        self, name: str, *, project: str | None = None, domain: str | None = None
    ) -> list[FamilyView]:
        """The whole family of a run, each behind the one that it came from."""
        return family_views(self._ledger, self._run(name, project, domain))

    def diff(
        self, old: str, new: str, *, action: str = ROOT_NAME, other_action: str = ROOT_NAME
    ) -> ComparisonView:
        """How two runs differ; each is a name, or project/domain/name."""
        sides = []
        for reference, of in ((old, action), (new, other_action)):
            name, project, domain = parts_of(reference)
            run, found = self._action(name, of, project, domain)
            sides.append(Side(self._ledger, run, found))
        return comparison_view(compare(*sides))

    # Actions

    def tree(self, name: str, *, project: str | None = None, domain: str | None = None) -> Tree:
        """The actions of a run in the order of their tree, each with the place of its parent in this list."""
        run = self._run(name, project, domain)
        key = run.id, run.ended_at if run.phase.is_terminal else self.version()
        return self._trees.get(key, lambda: query.tree_views(self._ledger, run))

    def children(
        self,
        name: str,
        action: str,
        *,
        project: str | None = None,
        domain: str | None = None,
        limit: int = 200,
        after: int = -1,
    ) -> ChildrenView:
        """Some of what an action called."""
        run, found = self._action(name, action, project, domain)
        return self._children.view(run, found, limit=limit, after=after)

    def root(self, name: str, *, project: str | None = None, domain: str | None = None) -> ChildView:
        """The root of a run, with how many actions it called."""
        run, found = self._action(name, ROOT_NAME, project, domain)
        return self._children.child(run, found)

    def action(
        self, name: str, action: str, *, project: str | None = None, domain: str | None = None
    ) -> ActionView:
        """An action, with its fingerprint once it has ended."""
        run, found = self._action(name, action, project, domain)
        view = query.action_view(self._ledger, run, found)
        if found.phase.is_terminal:
            view["fingerprint"] = Fingerprints(self._ledger).of(found).hex()
        return view

    def attempts(
        self, name: str, action: str, *, project: str | None = None, domain: str | None = None
    ) -> list[AttemptView]:
        """The attempts before the last one."""
        return attempt_views(self._action(name, action, project, domain)[1])

    def why(
        self, name: str, action: str, *, project: str | None = None, domain: str | None = None
    ) -> WhyView:
        """Why it was executed, or not."""
        run, found = self._action(name, action, project, domain)
        return query.why_view(explain(self._ledger, run, found)[0])

    def io(
        self,
        name: str,
        action: str,
        *,
        project: str | None = None,
        domain: str | None = None,
        content: int | None = CONTENT,
        preview: int | None = PREVIEW,
    ) -> dict[str, dict[str, Any]]:
        """What it got and gave, by name; `content` and `preview` are those of `dalsegno.codec.view`."""
        _, found = self._action(name, action, project, domain)
        shown = partial(query.named_views, self._ledger, show=partial(view, content=content, preview=preview))
        return {"inputs": shown(found.inputs), "outputs": shown(found.outputs)}

    def content(self, digest: str) -> bytes:
        """The content of a recorded file; `digest` is hexadecimal."""
        try:
            return self._ledger.blob(bytes.fromhex(digest))
        except ValueError:
            raise UsageError(f"a digest is hexadecimal, not {digest!r}") from None

    def logs(
        self,
        name: str,
        action: str,
        *,
        project: str | None = None,
        domain: str | None = None,
        after: int = 0,
    ) -> tuple[list[LogView], int]:
        """Its log behind the first `after` pieces, and how many pieces there are by now."""
        run, found = self._action(name, action, project, domain)
        lines = self._ledger.log_lines(run.id, found.seq)
        fresh = lines[after:]
        return query.log_views(run, fresh, {found.seq: found.name}), after + len(fresh)

    def task(
        self, name: str, action: str, *, project: str | None = None, domain: str | None = None
    ) -> dict[str, Any]:
        """Its task, and whether the code of today is found here."""
        template = self._ledger.template(self._action(name, action, project, domain)[1].template)
        view: TaskView = task_view(template)
        return {**view, "current": current_root(self._ledger, template, self._place.store) is not None}

    def code(
        self, name: str, action: str, *, project: str | None = None, domain: str | None = None
    ) -> CodeView:
        """The code that its task reaches."""
        digest = self._action(name, action, project, domain)[1].template
        return self._codes.get(digest, lambda: code_view(self._ledger, self._ledger.template(digest)))

    # Rerunning

    def check(
        self,
        name: str,
        action: str,
        *,
        inputs: Mapping[str, Any],
        project: str | None = None,
        domain: str | None = None,
    ) -> None:
        """InputError for JSON values that the recorded interface does not take."""
        template = self._ledger.template(self._action(name, action, project, domain)[1].template)
        interface = Interface.from_record(template.interface, name=template.name, decode=_never)
        interface.convert(inputs, source="json", partial=True)

    async def plan(
        self,
        name: str,
        action: str = ROOT_NAME,
        *,
        project: str | None = None,
        domain: str | None = None,
        **asked: Unpack[Asked],
    ) -> PlanView:
        """What `rerun` with the same would do; refuses what it would refuse, and records nothing."""
        done: PlanView = await self._have_done("plan", name, action, project, domain, asked)
        return done

    async def rerun(
        self,
        name: str,
        action: str = ROOT_NAME,
        *,
        project: str | None = None,
        domain: str | None = None,
        **asked: Unpack[Asked],
    ) -> RunView:
        """Start a new run from an action, in a process of its own; comes back as soon as it is recorded.

        Raises InputError with every problem, and RefusedError for whatever else the engine refuses.
        """
        done: RunView = await self._have_done("rerun", name, action, project, domain, asked)
        return done

    async def abort(self, name: str, *, project: str | None = None, domain: str | None = None) -> RunView:
        """Stop a run, whoever executes it; comes back when it has ended."""
        done: RunView = await self._have_done("abort", name, ROOT_NAME, project, domain, {})
        return done

    async def resume(self, name: str, *, project: str | None = None, domain: str | None = None) -> RunView:
        """Go on with a run whose process is gone, in a process of its own; comes back as soon as it goes on."""
        done: RunView = await self._have_done("resume", name, ROOT_NAME, project, domain, {})
        return done

    async def _have_done(
        self, do: Do, name: str, action: str, project: str | None, domain: str | None, asked: Asked
    ) -> Any:
        if self.read_only:
            raise ReadOnlyError

        def work() -> Any:
            run, found = self._action(name, action, project, domain)
            return ask(order(do, self._ledger, self._place, run, found, asked))

        return await to_thread.run_sync(work)

    # Finding

    def _run(self, name: str, project: str | None, domain: str | None) -> RunRecord:
        check_name("run name", name)
        place = self._place
        try:
            return self._ledger.find_run(project or place.project, domain or place.domain, name)
        except RunNotFoundError:
            found = None if project or domain else self._ledger.newest_named(name)
            if found is None:
                raise
            return found

    def _action(
        self, name: str, action: str, project: str | None, domain: str | None
    ) -> tuple[RunRecord, ActionRecord]:
        run = self._run(name, project, domain)
        return run, self._ledger.action(run, action)


def parts_of(reference: str) -> tuple[str, str | None, str | None]:
    """The name, project and domain of a run that is named alone or as project/domain/name."""
    match reference.split("/"):
        case [project, domain, name]:
            return name, project, domain
    return reference, None, None


def _phase(phase: str) -> Phase:
    try:
        return Phase(phase)
    except ValueError:
        raise UsageError(f"phase is one of {', '.join(Phase)}, not {phase!r}") from None


def _cursor(before: str) -> int | None:
    try:
        found = int(before, 16) if before else None
    except ValueError:
        found = -1
    if found is not None and not 0 <= found < 1 << 64:
        raise UsageError(f"before is what an earlier page named as its next, not {before!r}")
    return found


def _nanoseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise UsageError(f"since and until have a zone, as in {moment.isoformat()}Z")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _never(data: bytes) -> NoReturn:
    raise AssertionError("checking what was given decodes nothing")
