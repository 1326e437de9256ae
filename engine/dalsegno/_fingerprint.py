"""What an action did, as one digest: two with the same fingerprint did the same, down to every nested call.

    fingerprint = digest("fingerprint", msgpack of [layout, task, code, classes, inputs, outcome, [[key, fingerprint], …]])

`code` is the code digest of the task, `classes` that of the classes among its inputs; `inputs` are small inputs themselves
or the digest of others, `outcome` the same of the outputs, or how it failed: the class and the message, not the traceback, which has line numbers.
The children are in the order of their keys. Times, attempts, logs, and the names and ids of runs are no part of it, and
nor is the key of the action itself, so that an action has the same fingerprint wherever it is rooted.

An action whose result was taken over counts as the one that really ran. Where that was deleted it is known by its own record
only, and has the fingerprint of no action that ran.

It is worked out from the records when it is asked for, each action once, from the leaves up; nothing is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgpack

from dalsegno._reading import Reading
from dalsegno._reuse import ran
from dalsegno._values import values_digest
from dalsegno.errors import DecodeError, NotFoundError
from dalsegno.models import ActionRecord, RunRecord, Values
from dalsegno_storage.digest import digest

LAYOUT = 1
"""The number of what a fingerprint covers; those of another number are not comparable."""

SHORT = 12
"""As many hexadecimal characters of it are shown to people."""

_Place = tuple[int, int]
_Children = dict[int, dict[bytes, ActionRecord]]


class Fingerprints:
    """The fingerprints of actions in one store, each worked out once."""

    def __init__(self, ledger: Reading) -> None:
        self._ledger = ledger
        self._known: dict[_Place, bytes] = {}
        self._runs: dict[int, tuple[dict[int, ActionRecord], _Children]] = {}
        self._codes: dict[bytes, tuple[str, bytes]] = {}

    def of_run(self, run: RunRecord) -> bytes:
        """That of the run's root."""
        return self.of(self._ledger.root(run.id))

    def of(self, action: ActionRecord) -> bytes:
        """That of an action; of one that has not ended it says how far it is."""
        top = (action.run_id, action.seq)
        waiting, begun = [action], set[_Place]()
        while waiting:
            each = waiting[-1]
            place = (each.run_id, each.seq)
            if place in self._known:
                waiting.pop()
                continue
            origin = self.origin(each)
            children = self.children(each) if origin is None else {b"": origin}
            if children and place not in begun:
                begun.add(place)
                waiting += [child for child in children.values() if not self._is_known(child)]
                continue
            waiting.pop()
            if not all(map(self._is_known, children.values())):
                raise DecodeError(f"action {each.name} is recorded as called by itself")
            if origin is not None:
                self._known[place] = self._known[origin.run_id, origin.seq]
            else:
                self._known[place] = self._made(each, children)
        return self._known[top]

    def children(self, action: ActionRecord) -> Mapping[bytes, ActionRecord]:
        """What an action called, by key, in the order in which it did; for a result taken over, what the one did that ran."""
        run_id, seq = ran(action)
        return self._actions(run_id)[1].get(seq, {})

    def origin(self, action: ActionRecord) -> ActionRecord | None:
        """The action that really ran, for a result that was taken over and is still recorded."""
        if action.origin is None:
            return None
        run_id, seq = ran(action)
        return self._actions(run_id)[0].get(seq)

    def code(self, action: ActionRecord) -> tuple[str, bytes]:
        """The full name of an action's task and the digest of its code."""
        known = self._codes.get(action.template)
        if known is None:
            template = self._ledger.template(action.template)
            known = self._codes[action.template] = template.name, template.code_digest
        return known

    def _actions(self, run_id: int) -> tuple[dict[int, ActionRecord], _Children]:
        known = self._runs.get(run_id)
        if known is None:
            by_seq: dict[int, ActionRecord] = {}
            children: _Children = {}
            for each in self._recorded(run_id):
                by_seq[each.seq] = each
                if each.parent is not None:
                    children.setdefault(each.parent, {})[each.key] = each
            known = self._runs[run_id] = by_seq, children
        return known

    def _recorded(self, run_id: int) -> list[ActionRecord]:
        """The actions of a run; none of one that was deleted, of which some may be left."""
        try:
            self._ledger.run(run_id)
        except NotFoundError:
            return []
        return self._ledger.actions(run_id)

    def _is_known(self, action: ActionRecord) -> bool:
        return (action.run_id, action.seq) in self._known

    def _made(self, action: ActionRecord, children: Mapping[bytes, ActionRecord]) -> bytes:
        known = self._known
        below = sorted((key, known[child.run_id, child.seq]) for key, child in children.items())
        name, code = self.code(action)
        classes = b"" if action.classes is None else action.classes.digest
        content = [LAYOUT, name, code, classes, _brief(action.inputs), outcome(action), below]
        return digest("fingerprint", msgpack.packb(content, unicode_errors="surrogatepass"))


def outcome(action: ActionRecord) -> list[Any]:
    """How an action ended, without times: its outputs, or its failure, or that it has not ended."""
    failure = action.failure
    if failure is not None:
        return ["failed", failure.kind, failure.message]
    if action.outputs is None:
        return ["open"]
    return ["done" if action.origin is None else "gone", _brief(action.outputs)]


def _brief(values: Values) -> bytes:
    """Small values as they are recorded, the digest of others."""
    return values if isinstance(values, bytes) else values_digest(values)


def short(fingerprint: bytes) -> str:
    """The form for people."""
    return fingerprint.hex()[:SHORT]
