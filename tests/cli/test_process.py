"""What only a whole process shows: exit codes, pipes, interrupts, terminals, and what is imported."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

Command = Callable[..., Any]

SLOW = """
    import os
    import time
    import anyio
    import dalsegno

    env = dalsegno.TaskEnvironment("slow")

    @env.task
    def stuck() -> None:
        print("begun", flush=True)
        time.sleep(60)

    @env.task
    async def waits() -> None:
        print("begun", flush=True)
        await anyio.sleep(60)

    @env.task
    async def part(number: int) -> int:
        await anyio.sleep(0.25)
        print(f"part {number}")
        return number

    @env.task
    async def parts() -> int:
        return sum([await part(number) for number in range(3)])

    @env.task
    def noisy() -> str:
        os.system("echo from a child")
        os.write(1, b"past python\\n")
        print("from a task")
        return "\\x1b[31mred\\x1b[0m"
"""

LOOKING = [
    ("get", "run"),
    ("get", "run", "good"),
    ("get", "action", "good", "a0"),
    ("get", "action", "good", "--json"),
    ("get", "io", "good"),
    ("get", "logs", "good"),
    ("get", "code", "good"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `slow.py`."""
    (tmp_path / "slow.py").write_text(dedent(SLOW))
    return tmp_path


@pytest.fixture
def begin(folder: Path, variables: Callable[..., dict[str, str]]) -> Callable[..., subprocess.Popen[str]]:
    """Begins `dalsegno ARGS` and leaves it running."""

    def begun(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dalsegno", *args],
            cwd=folder,
            env=variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return begun


@pytest.mark.parametrize("task", ["waits", "stuck"])
def test_interrupt_records_the_run_as_aborted(
    begin: Callable[..., subprocess.Popen[str]], process: Command, folder: Path, task: str
) -> None:
    running = begin("run", "slow.py", task, "--name", "stopped")
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert out == ""
    assert "run stopped aborted in" in err
    assert "Traceback" not in err
    assert process("get", "run", "stopped", "--json", cwd=folder).json["phase"] == "aborted"


def test_logs_of_a_live_run_are_followed_to_its_end(
    begin: Callable[..., subprocess.Popen[str]], process: Command, folder: Path
) -> None:
    running = begin("run", "slow.py", "parts", "--name", "live")
    assert running.stderr is not None
    assert running.stderr.readline() == "run live started\n"
    followed = process("get", "logs", "live", "--follow", cwd=folder)
    running.communicate(timeout=30)
    assert [line.rpartition("] ")[2] for line in followed.lines()] == ["part 0", "part 1", "part 2"]
    assert followed.out == process("get", "logs", "live", cwd=folder).out


def test_closed_pipe_ends_quietly(
    process: Command, recorded: Path, variables: Callable[..., dict[str, str]]
) -> None:
    line = f"{sys.executable} -m dalsegno --store {recorded} get run --json"
    done = subprocess.run(
        ["bash", "-c", f"{line} | true; echo ${{PIPESTATUS[0]}}"],
        env=variables(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_json_is_alone_on_stdout_whatever_tasks_write(process: Command, folder: Path) -> None:
    done = process("run", "slow.py", "noisy", "--json", cwd=folder)
    assert done.json["outputs"] == ["\x1b[31mred\x1b[0m"]
    for text in ("from a child", "past python", "from a task"):
        assert text in done.err


def test_control_characters_are_escaped(process: Command, folder: Path) -> None:
    done = process("run", "slow.py", "noisy", "--name", "red", cwd=folder)
    assert "\x1b" not in done.out
    assert 'o0 = "\\u001b[31mred\\u001b[0m"' in done.out
    assert "\x1b" not in process("get", "io", "red", cwd=folder).out


def test_exit_code_of_a_failed_run(process: Command, recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path / "copy")
    assert process("rerun", "bad", "--store", "copy", cwd=tmp_path).code == 1
    assert process("rerun", "good", "--store", "copy", cwd=tmp_path).code == 0
    assert process("rerun", "nobody", "--store", "copy", cwd=tmp_path).code == 2


def test_progress_on_a_terminal(folder: Path, variables: Callable[..., dict[str, str]]) -> None:
    shown = _on_terminal(["run", "slow.py", "parts", "--name", "seen"], folder, variables(TERM="xterm"))
    assert "\x1b[" in shown
    assert "1 succeeded" in shown
    assert "  part-" in shown
    assert "run seen succeeded in" in shown
    assert shown.count("part 2") == 1
    assert "seen started" not in shown


def test_no_colour_means_plain_lines(folder: Path, variables: Callable[..., dict[str, str]]) -> None:
    shown = _on_terminal(
        ["run", "slow.py", "parts", "--name", "seen"], folder, variables(TERM="xterm", NO_COLOR="1")
    )
    assert "\x1b" not in shown
    assert shown.splitlines()[0] == "run seen started"


def test_table_fits_the_terminal(recorded: Path, variables: Callable[..., dict[str, str]]) -> None:
    shown = _on_terminal(
        ["get", "run", "--store", str(recorded)],
        recorded.parent,
        variables(TERM="xterm", NO_COLOR="1", COLUMNS="70"),
    )
    lines = shown.splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 70
    assert "…" in shown


@pytest.mark.parametrize("line", LOOKING, ids=" ".join)
def test_looking_imports_nothing_heavy_and_nothing_recorded(
    recorded: Path, variables: Callable[..., dict[str, str]], line: tuple[str, ...]
) -> None:
    probe = f"""
        import sys
        sys.argv = ["dalsegno", "--store", {str(recorded)!r}, *{line!r}]
        from dalsegno.cli import main
        try:
            main()
        except SystemExit as ended:
            assert ended.code == 0, ended.code
        import json
        print(json.dumps(sorted(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(probe)], env=variables(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    heavy = {
        "pydantic",
        "pydantic_core",
        "cloudpickle",
        "numpy",
        "pandas",
        "rich.console",
        "rich.table",
        "nicegui",
    }
    assert not heavy & loaded
    assert "flow" not in loaded
    assert not {name for name in loaded if name.startswith("_dalsegno_")}


@pytest.mark.parametrize("line", [("--help",), ("rerun", "--help"), ("get", "run", "--help")], ids=" ".join)
def test_help_imports_nothing_that_runs_tasks(
    variables: Callable[..., dict[str, str]], line: tuple[str, ...], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dalsegno", *line],
        env=variables(), cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert "Usage: dalsegno" in done.stdout
    loaded = {entry.rpartition("|")[2].strip() for entry in done.stderr.splitlines()}
    assert not {"pydantic", "cloudpickle", "dalsegno.cli._execute"} & loaded
    assert not list(tmp_path.iterdir())


def test_version(process: Command, tmp_path: Path) -> None:
    done = process("--version", cwd=tmp_path)
    assert done.code == 0
    assert re.fullmatch(r"dalsegno (\d\S+|\(run from a source tree\))\n", done.out)


def _on_terminal(args: list[str], cwd: Path, env: dict[str, str]) -> str:
    """What the command shows on a terminal of 110 columns or `COLUMNS`."""
    master, slave = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", "dalsegno", *args], cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # how Linux says that nobody has the other end open
        pass
    os.close(master)
    assert command.wait(timeout=30) == 0, shown
    return shown.decode().replace("\r\n", "\n")
