"""Results of a process that does not run what its files say are never reused; and what it does not run is not recorded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Script = Callable[..., Any]
Write = Callable[..., Path]

FLOW = """
    import dalsegno
    from rates import RATE
    env = dalsegno.TaskEnvironment("flow")
    @env.task
    def leaf(n: int) -> float:
        return n * RATE
    @env.task
    def main() -> float:
        return leaf(1) + leaf(2)
"""

RUN = """
    import json, logging, sys
    from pathlib import Path
    import dalsegno, flow, rates
    told = []
    class Note(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage().partition(" ")[2].partition(",")[0])
    logging.getLogger("dalsegno").addHandler(Note())
    {edit}
    if {recover}:
        run = dalsegno.rerun("first", task_template=flow.main, recover=True)
    else:
        run = dalsegno.with_runcontext(name="first").run(flow.main)
    print(json.dumps([run.result(), [action.phase for action in run.actions()], told]))
"""

EDIT = 'Path(rates.__file__).write_text("RATE = 2\\n")'
EXECUTED = ["succeeded"] * 3


@pytest.fixture
def flow(write_files: Write) -> Path:
    root = write_files("flow", {"flow.py": FLOW, "rates.py": "RATE = 1\n"})
    os.utime(root / "rates.py", (1_700_000_000, 1_700_000_000))
    return root


def code(*, edit: str = "", recover: bool = False) -> str:
    return RUN.format(edit=edit, recover=recover)


def test_a_run_of_edited_code_is_reused_by_nobody(flow: Path, script: Script) -> None:
    warning = ["rates is not loaded from the text of its file"]
    assert script(code(edit=EDIT), cwd=flow) == [3, EXECUTED, warning]
    assert script(code(recover=True), cwd=flow) == [6, EXECUTED, []]


def test_a_run_of_edited_code_reuses_nothing(flow: Path, script: Script) -> None:
    (flow / "rates.py").write_text("RATE = 2\n")
    assert script(code(), cwd=flow) == [6, EXECUTED, []]
    (flow / "rates.py").write_text("RATE = 1\n")
    warning = ["rates is not loaded from the text of its file"]
    assert script(code(edit=EDIT, recover=True), cwd=flow) == [3, EXECUTED, warning]


def test_an_outdated_bytecode_cache_is_no_code_that_was_run_before(flow: Path, script: Script) -> None:
    caches = {"PYTHONDONTWRITEBYTECODE": ""}
    assert script(code(), cwd=flow, **caches) == [3, EXECUTED, []]
    (flow / "rates.py").write_text("RATE = 2\n")
    os.utime(flow / "rates.py", (1_700_000_000, 1_700_000_000))
    warning = ["rates is not loaded from the text of its file"]
    assert script(code(recover=True), cwd=flow, **caches) == [3, EXECUTED, warning]
    assert script(code(recover=True), cwd=flow, **caches) == [6, EXECUTED, []]
    (flow / "rates.py").write_text("RATE = 1\n")
    os.utime(flow / "rates.py", (1_700_000_000, 1_700_000_000))
    again = """
        import json, dalsegno
        run = dalsegno.rerun("first", recover=True)
        print(json.dumps([run.result(), run.actions()[0].phase]))
    """
    assert script(again, cwd=flow, **caches) == [3, "recovered"]
