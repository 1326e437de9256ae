"""Looking at a store never imports, unpickles or runs what is recorded in it, even where the files are there to import."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TRAP = {
    "trap.py": """
        import os
        from dataclasses import dataclass
        from pathlib import Path
        from typing import Any

        import dalsegno

        env = dalsegno.TaskEnvironment("trap")

        def spring(*args):
            if "SPRUNG" in os.environ:
                Path(os.environ["SPRUNG"]).write_text("code of the run was executed")
            return 1

        spring()

        class Pickled:
            def __reduce__(self):
                return spring, (2,)

        class Broken(Exception):
            def __init__(self, held):
                super().__init__("broken")
                self.held = held

        @dataclass
        class Plain:
            x: int = spring()

        @env.task
        def main(held: Any, plain: Plain) -> Any:
            print("seen")
            try:
                fails()
            except Broken:
                pass
            return [Pickled(), plain]

        @env.task
        def fails() -> int:
            raise Broken(Pickled())

        if __name__ == "__main__":
            import trap
            dalsegno.with_runcontext(name="trapped").run(trap.main, trap.Pickled(), trap.Plain()).wait()
            dalsegno.with_runcontext(name="again").rerun("trapped", recover=True).wait()
            print("\\n1")
    """
}

LOOKS = (
    "get run",
    "get run trapped",
    "get action trapped",
    "get io trapped",
    "get logs trapped",
    "get code trapped",
    "why again",
    "diff trapped again",
    "check",
    "gc --dry-run --keep-last 1",
    "gc",
    "pin trapped",
    "backup copy",
    "doctor",
)

LISTED = """
    import dalsegno
    for run in dalsegno.Run.listall():
        shown = [run.io(), run.failure, run.labels, run.relation, run.template, run.record]
        shown += [[a.io(), a.failure, a.record, a.task, a.attempts, a.children] for a in run.actions()]
        repr(shown)
    print(1)
"""


@pytest.fixture
def trapped(write_files: Callable[..., Path], script: Callable[..., Any]) -> Path:
    """The folder of a program that has been run, whose code leaves a trace when it is executed once more."""
    folder = write_files("project", TRAP)
    script(folder / "trap.py", cwd=folder)
    return folder


def test_commands_that_look_execute_nothing(
    trapped: Path, script: Callable[..., Any], tmp_path: Path
) -> None:
    ended = script(
        f"""
        import json, os, sys
        from dalsegno.cli import main

        ended = {{}}
        for line in {LOOKS}:
            sys.argv = ["dalsegno", *line.split()]
            try:
                main()
                status = 0
            except SystemExit as left:
                status = left.code or 0
            ended[line] = [status, os.path.exists(os.environ["SPRUNG"])]
        print()
        print(json.dumps(ended))
        """,
        cwd=trapped,
        path=(trapped,),
        SPRUNG=str(tmp_path / "sprung"),
    )
    assert [line for line, (_, sprung) in ended.items() if sprung] == []
    # Two runs that differ, and a machine that is not as it should be, are 1.
    assert {line for line, (status, _) in ended.items() if status} <= {"diff trapped again", "doctor"}


def test_listing_in_python_executes_nothing(
    trapped: Path, script: Callable[..., Any], tmp_path: Path
) -> None:
    script(LISTED, cwd=trapped, path=(trapped,), SPRUNG=str(tmp_path / "sprung"))
    assert not (tmp_path / "sprung").exists()


def test_the_trap_works(trapped: Path, script: Callable[..., Any], tmp_path: Path) -> None:
    script(
        "import dalsegno\nprint(dalsegno.Run.get('trapped').result() and 1)",
        cwd=trapped,
        path=(trapped,),
        SPRUNG=str(tmp_path / "sprung"),
    )
    assert (tmp_path / "sprung").exists()
