"""A source file of more than 400 lines says in its docstring why it is one file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CEILING = 400
SOURCES = sorted(file for root in ("engine", "storage") for file in (ROOT / root).rglob("*.py"))


def explains(text: str) -> bool:
    """Whether a module is short enough, or its docstring has a sentence that begins with "One file"."""
    return len(text.splitlines()) <= CEILING or "One file" in (ast.get_docstring(ast.parse(text)) or "")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_size(file: Path) -> None:
    assert explains(file.read_text(encoding="utf-8")), (
        f"{file.relative_to(ROOT)} has more than {CEILING} lines; split it, or say why in a sentence of its docstring "
        'that begins with "One file"'
    )


def test_a_long_file_needs_a_reason() -> None:
    long = "x = 1\n" * (CEILING + 1)
    assert not explains(long)
    assert not explains('"""A file."""\n' + long)
    assert explains('"""One file, because its parts share a table."""\n' + long)
    assert explains("x = 1\n" * CEILING)


def test_there_are_sources() -> None:
    assert len(SOURCES) > 20
