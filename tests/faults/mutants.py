"""Whether the tests notice when a safeguard is taken out: `python -m tests.faults.mutants [NAME ...]`.

Each mutant is a small change to the sources that breaks one promise, and the tests that have to fail then. It is made in a
copy of the repository, where those tests pass without it. The command fails when a mutant survives, or when a text that is
to be changed is not found exactly once: then the source has changed, and the mutant has to follow.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

ROOT = Path(__file__).parents[2]
PARTS = ("engine", "storage", "tests", "pyproject.toml", "README.md")
SURE = "DALSEGNO_SURE"
"""Set here: more examples are tried, and none is made smaller, which takes minutes."""

ENGINE, STORAGE = "engine/dalsegno/", "storage/dalsegno_storage/"


@dataclass(frozen=True)
class Edit:
    """A text of a file, and what stands there instead."""

    file: str
    text: str
    replacement: str = ""

    def found(self, root: Path) -> int:
        """How often the text is in the file."""
        return (root / self.file).read_text(encoding="utf-8").count(self.text)

    def apply(self, root: Path) -> None:
        """Make the change."""
        file = root / self.file
        file.write_text(
            file.read_text(encoding="utf-8").replace(self.text, self.replacement), encoding="utf-8"
        )


@dataclass(frozen=True)
class Mutant:
    """A safeguard that is taken out, and the tests of which each has to notice."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "objects are not checked against their digest",
        (Edit(f"{STORAGE}objects.py", "if not _matches(kind, data, digest):", "if False:"),),
        ("tests/storage/test_objects.py::test_every_flipped_bit_is_noticed",),
    ),
    Mutant(
        "what a stub gave counts as what the real code gave",
        (
            Edit(
                f"{ENGINE}_code.py",
                "        if self.stubs:\n            closure = marked(",
                "        if False:\n            closure = marked(",
            ),
        ),
        (
            "tests/engine/testing/test_stub.py::test_what_a_stub_gave_is_not_recovered",
            "tests/engine/testing/test_stub.py::test_what_is_real_is_not_recovered_where_a_stub_is",
        ),
    ),
    Mutant(
        "a cache with a version of its own keeps what a stub gave",
        (Edit(f"{ENGINE}_cache.py", ", *(stub.mark for stub in stubs)]", "]"),),
        ("tests/engine/testing/test_stub.py::test_the_cache_keeps_them_apart",),
    ),
    Mutant(
        "a run with stubs is verified and resumed without them",
        (Edit(f"{ENGINE}_stubs.py", "if mark not in before or mark not in now", "if False"),),
        (
            "tests/engine/testing/test_stub.py::test_it_is_verified_where_the_stub_is",
            "tests/engine/testing/test_stub.py::test_it_is_not_resumed_without_the_stub",
        ),
    ),
    Mutant(
        "large objects are not checked against their digest",
        (Edit(f"{STORAGE}objects.py", "if not _matches(CHUNK, piece, name):", "if False:"),),
        ("tests/storage/test_objects.py::test_chunks_that_are_missing_damaged_or_swapped",),
    ),
    Mutant(
        "a recorded end is replaced by a later one",
        (
            Edit(
                f"{ENGINE}_completion.py",
                "        if is_over(transaction, self.key, self._attempts):\n",
                "        if False:\n",
            ),
        ),
        ("tests/engine/test_ledger.py::test_a_completion_is_recorded_once_and_stays",),
    ),
    Mutant(
        "a run's name is given away twice",
        (
            Edit(
                f"{ENGINE}_ledger.py",
                "            if transaction.has(name):\n",
                "            if False:\n",
            ),
        ),
        (
            "tests/engine/test_ledger.py::test_a_run_is_created_whole_or_not_at_all",
            "tests/faults/test_races.py::test_a_name_is_given_to_exactly_one",
            "tests/faults/test_machine.py",
        ),
    ),
    Mutant(
        "what a run that has begun does lazily is written ahead of the run",
        (
            Edit(f"{ENGINE}_writer.py", "if ticket.leads and ticket.begin():", "if False:"),
            Edit(f"{ENGINE}_writer.py", "if not ticket.leads and ticket.begin():", "if ticket.begin():"),
        ),
        (
            "tests/engine/test_early.py::test_what_a_run_does_before_it_is_recorded_is_recorded_behind_it[relaxed]",
        ),
    ),
    Mutant(
        "a run whose record is on its way is taken for one that somebody else has",
        (
            Edit(
                f"{ENGINE}_driver.py",
                "        self._unrecorded.add(opening.run.id)\n",
                "        pass\n",
            ),
        ),
        ("tests/engine/test_early.py::test_a_run_whose_record_takes_long_is_not_given_up",),
    ),
    Mutant(
        "callers go on before the commit",
        (
            Edit(
                f"{ENGINE}_writer.py",
                "                self._write(group, lazy)\n                wake(group)\n",
                "                self._write(group, lazy)\n",
            ),
            Edit(
                f"{ENGINE}_writer.py",
                "                committing = True\n",
                # The pause lets them go on a busy machine too.
                "                wake(group)\n                threading.Event().wait(0.005)\n                committing = True\n",
            ),
        ),
        ("tests/faults/test_kill.py::test_a_run", "tests/faults/test_power_loss.py::test_a_run"),
    ),
    Mutant(
        "policies ignore pins",
        (Edit(f"{ENGINE}_policy.py", "pins = set(pinned(reader))", "pins = set(pinned(reader)) & set()"),),
        (
            "tests/engine/maintenance/test_gc.py::test_live_and_pinned_runs_stay_and_what_they_need",
            "tests/faults/test_machine.py",
        ),
    ),
    Mutant(
        "pinned runs can be removed",
        (Edit(f"{ENGINE}_deletion.py", "if reader.get(pin_key(run.id)) is not None:", "if False:"),),
        (
            "tests/engine/maintenance/test_delete.py::test_a_pinned_run_is_refused",
            "tests/faults/test_machine.py",
        ),
    ),
    Mutant(
        "a collection does not look again",
        (Edit(f"{STORAGE}sweep.py", "if not keep(each.digest)]", "]"),),
        (
            "tests/storage/test_sweep.py::test_what_is_kept_by_now_stays_and_removals_are_counted",
            "tests/engine/maintenance/test_gc.py::test_what_becomes_reachable_between_the_two_looks_stays",
        ),
    ),
    Mutant(
        "it is not noticed that something was removed meanwhile",
        (Edit(f"{ENGINE}_fence.py", "if kept.seen != self._count:", "if kept.seen < 0:"),),
        (
            "tests/engine/maintenance/test_fence.py"
            "::test_a_template_that_is_remembered_is_looked_for_when_something_was_removed",
        ),
    ),
    Mutant(
        "removals are not counted",
        (Edit(f"{STORAGE}sweep.py", "                removing(writer)\n", "                pass\n"),),
        (
            "tests/storage/test_sweep.py::test_what_is_kept_by_now_stays_and_removals_are_counted",
            "tests/engine/maintenance/test_fence.py"
            "::test_a_template_that_is_remembered_is_looked_for_when_something_was_removed",
        ),
    ),
    Mutant(
        "a late owner records",
        (Edit(f"{ENGINE}_ownership.py", "if tenure_of(reader, run_id).epoch != epoch:", "if False:"),),
        ("tests/engine/resume/test_resume.py::test_an_owner_that_lost_its_run_records_nothing_more",),
    ),
    Mutant(
        "two may take a run over",
        (
            Edit(
                f"{ENGINE}_ledger.py",
                "if now.epoch != before.epoch or run_of(",
                "if run_of(",
            ),
        ),
        ("tests/engine/resume/test_resume.py::test_of_two_who_resume_one_wins",),
    ),
    Mutant(
        "what is recorded until a takeover is not seen",
        (
            Edit(
                f"{ENGINE}_resume.py",
                "earlier=lambda: Earlier(ledger, run.id, time.time_ns()),",
                "earlier=(lambda known: lambda: known)(Earlier(ledger, run.id, time.time_ns())),",
            ),
        ),
        (
            "tests/engine/resume/test_ownership.py"
            "::test_what_is_recorded_until_the_takeover_is_not_done_again",
        ),
    ),
    Mutant(
        "a run that cannot go on is not given back",
        (Edit(f"{ENGINE}_closing.py", "return pack_tenure(tenure._replace(owner=NOBODY))", "return None"),),
        (
            "tests/engine/resume/test_ownership.py::test_a_run_that_cannot_go_on_is_interrupted_again",
            "tests/engine/resume/test_ownership.py::test_an_abort_that_fails_leaves_the_run_to_the_next",
            "tests/engine/resume/test_ownership.py::test_a_run_whose_end_will_never_be_recorded_is_interrupted",
        ),
    ),
    Mutant(
        "an end that could not be recorded is not tried again",
        (
            Edit(
                f"{ENGINE}_driver.py",
                "self._watching.start_soon(self._end_late, live, outcome, left, error)",
                "pass",
            ),
        ),
        ("tests/engine/resume/test_ownership.py::test_an_end_is_recorded_once_the_store_is_free",),
    ),
    Mutant(
        "an action's end is forgotten before it is acknowledged",
        (
            Edit(
                f"{ENGINE}_live.py", "for action, end in list(self.ending.values())", "for action, end in ()"
            ),
        ),
        (
            "tests/engine/test_outcomes.py"
            "::test_an_action_whose_end_is_written_when_its_run_is_aborted_has_ended",
        ),
    ),
    Mutant(
        "a run whose owner is gone is not looked at again",
        (
            Edit(
                f"{ENGINE}_ownership.py",
                "if now.phase is Phase.RUNNING and tenure_of(later, run.id).owner == owner:",
                "if now is not None:",
            ),
            Edit(
                f"{ENGINE}_ownership.py",
                "with self._store.read() as later:",
                "for later in (reader,):",
            ),
        ),
        (
            "tests/engine/resume/test_ownership.py"
            "::test_a_run_that_ends_while_it_is_looked_at_is_not_interrupted",
            "tests/engine/resume/test_ownership.py"
            "::test_a_run_that_is_resumed_while_it_is_looked_at_is_not_interrupted",
        ),
    ),
    Mutant(
        "what is still to be written is closed with a resumed run",
        (Edit(f"{ENGINE}_live.py", "await self.ledger.store(())", "pass"),),
        ("tests/engine/resume/test_ownership.py::test_what_ended_a_moment_before_its_run_has_ended",),
    ),
    Mutant(
        "LMDB does not sync",
        (
            Edit(
                f"{STORAGE}_lmdb_env.py",
                "                create=False,\n",
                "                create=False,\n                sync=False,\n",
            ),
        ),
        ("tests/faults/test_power_loss.py::test_a_run[lmdb-full]",),
    ),
    Mutant(
        "LMDB does not sync its meta page",
        (
            Edit(
                f"{STORAGE}_lmdb_env.py",
                "                create=False,\n",
                "                create=False,\n                metasync=False,\n",
            ),
        ),
        ("tests/faults/test_power_loss.py::test_a_run[lmdb-full]",),
    ),
    Mutant(
        "SQLite does not sync its log",
        (Edit(f"{STORAGE}sqlite.py", "PRAGMA synchronous = FULL", "PRAGMA synchronous = NORMAL"),),
        ("tests/faults/test_power_loss.py::test_a_run[sqlite-full]",),
    ),
    Mutant(
        "a new name is not synced",
        (Edit(f"{STORAGE}_files.py", "    for parent in parents:\n        sync_folder(parent)\n"),),
        ("tests/faults/test_power_loss.py::test_creation", "tests/faults/test_power_loss.py::test_a_backup"),
    ),
    Mutant(
        "a store is made in its place",
        (
            Edit(
                f"{STORAGE}_files.py",
                '    temporary = path.with_name(f".{path.name[:200]}.creating-{token_hex(8)}")\n',
                "    temporary = path\n",
            ),
            Edit(
                f"{STORAGE}_files.py",
                "        publish(temporary, path)\n    finally:\n        _remove(temporary)\n",
                "    finally:\n        pass\n",
            ),
        ),
        ("tests/faults/test_kill.py::test_creation", "tests/faults/test_power_loss.py::test_creation"),
    ),
    Mutant(
        "a data file that is gone is not noticed",
        (
            Edit(
                f"{STORAGE}_lmdb_env.py",
                "        if status is None or (status.st_dev, status.st_ino) != self.key:\n            raise",
                "        if status is None:\n            return\n        if False:\n            raise",
            ),
        ),
        (
            "tests/faults/test_removed_files.py::test_nothing_is_seen_done_that_is_written_to_a_file_without_a_name",
        ),
    ),
    Mutant(
        "a second lock table is not noticed",
        (
            Edit(
                f"{STORAGE}_lmdb_env.py",
                "        if self._lock_key is not None and (\n",
                "        if False and (\n",
            ),
        ),
        ("tests/faults/test_removed_files.py::test_two_processes_with_two_lock_tables_lose_nothing",),
    ),
    Mutant(
        "a forked child may go on",
        (
            Edit(
                f"{STORAGE}_turns.py",
                "        if self.foreign or self._pid != os.getpid():\n            self.refuse()\n",
                "        return\n",
            ),
            Edit(
                f"{ENGINE}_writer.py",
                "        if self._pid != os.getpid():\n            raise StoreForkedError(self._place())\n",
            ),
        ),
        ("tests/storage/test_turns.py::test_a_fork_is_noticed_with_and_without_hooks",),
    ),
)


def run(mutants: Sequence[Mutant]) -> int:
    """Try these and print what came of each; the exit status."""
    wrong = [
        f"{m.name}: {e.text!r} is {e.found(ROOT)} times in {e.file}"
        for m in mutants
        for e in m.edits
        if e.found(ROOT) != 1
    ]
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        _copy(copy)
        failed = _failures(copy, dict.fromkeys(test for mutant in mutants for test in mutant.tests))
        if failed:
            print("these fail without any mutant:", *failed, sep="\n  ", file=sys.stderr)
            return 2
        survived = 0
        for mutant in mutants:
            began = monotonic()
            for edit in mutant.edits:
                edit.apply(copy)
            failed = _failures(copy, mutant.tests)
            silent = [test for test in mutant.tests if not any(each.startswith(test) for each in failed)]
            survived += bool(silent)
            print(
                f"{'SURVIVED' if silent else 'killed':8}  {monotonic() - began:5.1f} s  {mutant.name}",
                flush=True,
            )
            for test in silent:
                print(f"          passes nevertheless: {test}", flush=True)
            for edit in mutant.edits:
                shutil.copy(ROOT / edit.file, copy / edit.file)
    print(f"{len(mutants) - survived} of {len(mutants)} killed")
    return 1 if survived else 0


def _copy(target: Path) -> None:
    target.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target / part)


def _failures(root: Path, tests: Iterable[str]) -> list[str]:
    """Those of these tests, or of those in them, that fail or end in an error."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", *tests],
        cwd=root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", SURE: "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"pytest ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    lines = (line.split(maxsplit=1) for line in done.stdout.splitlines())
    return [rest[0] for first, *rest in lines if first in ("FAILED", "ERROR")] if done.returncode else []


def _chosen(names: Sequence[str]) -> list[Mutant]:
    return [mutant for mutant in MUTANTS if not names or any(name in mutant.name for name in names)]


if __name__ == "__main__":
    sys.exit(run(_chosen(sys.argv[1:])))
