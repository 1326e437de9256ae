"""README.md says what is so: its files are written, its commands run, its output compared.

All blocks share one folder, in order. A `python` block begins with `# name.py` and is written to that file. A `console`
block has commands behind `$ ` and what they print, stdout and stderr together. A `sh` block is a set-up for a new
machine, which `.ci/run` tries. Times, durations, digests and names that are made up may differ, and so may the
number of spaces.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import dalsegno
import dalsegno_storage

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROOTS = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]

VOLATILE = {
    r"\b\d+(\.\d+)? (µs|ms|s|min)\b": "TOOK",
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+Z)?": "TIME",
    r"\br[0-9a-z]{12}\b": "RUN",
    r"\b[0-9a-f]{16,64}\b": "DIGEST",
    r" +": " ",
}


@dataclass(frozen=True)
class Block:
    """A fenced part of the page."""

    language: str
    text: str

    @property
    def name(self) -> str:
        """The file that a `python` block is."""
        found = re.match(r"# (\w+\.py)\n", self.text)
        assert found is not None, f"a python block begins with `# name.py`:\n{self.text}"
        return found[1]

    @property
    def commands(self) -> list[str]:
        """What a `console` block types."""
        return [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]


BLOCKS = [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)]


def settled(text: str) -> str:
    """The text without what may differ."""
    for pattern, stand_in in VOLATILE.items():
        text = re.sub(pattern, stand_in, text)
    return text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder to work in."""
    made = tmp_path / "work"
    made.mkdir()
    return made


@pytest.fixture
def shell(tmp_path: Path, folder: Path) -> dict[str, str]:
    """The environment of a shell that finds `python` and `dalsegno` as if this checkout was installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"python": "", "dalsegno": "-m dalsegno"}.items():
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "PYTHONPATH": ":".join(ROOTS),
        "PYTHONWARNINGS": "error",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "100",
    }


def played(block: Block, folder: Path, shell: dict[str, str]) -> str:
    """A `console` block with what its commands really print."""
    lines = []
    for command in block.commands:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=shell,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        lines += [f"$ {command}\n", done.stdout]
    return "".join(lines)


def test_every_block(folder: Path, shell: dict[str, str]) -> None:
    expected, got = [], []
    for block in BLOCKS:
        if block.language == "python":
            (folder / block.name).write_text(block.text)
        elif block.language == "console":
            expected.append(settled(block.text))
            got.append(settled(played(block, folder, shell)))
    assert "\n".join(got) == "\n".join(expected)


def test_blocks_are_of_a_kind_that_is_tested() -> None:
    assert {block.language for block in BLOCKS} == {"python", "console", "sh"}
    assert all(block.text.startswith("$ ") for block in BLOCKS if block.language == "console")


def test_a_wrong_block_is_noticed(folder: Path, shell: dict[str, str]) -> None:
    block = Block("console", "$ echo 2 ms\n3 ms\n$ echo no\nyes\n")
    assert settled(played(block, folder, shell)) == settled("$ echo 2 ms\n3 ms\n$ echo no\nno\n")
    assert settled(played(block, folder, shell)) != settled(block.text)


def test_the_set_up_lines_are_those_that_ci_tries() -> None:
    runs, tests = (line for block in BLOCKS if block.language == "sh" for line in block.text.splitlines())
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    for command in [*runs.split(" && ")[1:], *tests.split(" && ")[1:]]:
        assert command.replace(".venv/", '"$venv"/') in ci, command


def test_the_first_screen_has_code() -> None:
    lines = README.splitlines()
    assert lines[0] == "# dalsegno"
    assert lines.index("```python") < 15


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
