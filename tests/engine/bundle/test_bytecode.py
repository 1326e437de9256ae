"""What is recorded is what runs, also when Python loads an outdated bytecode cache, or a file is edited after its import."""

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dalsegno.bundle import capture, fresh_imports
from dalsegno.bundle._bytecode import may_be_outdated

Project = Callable[..., Path]
Python = Callable[..., Any]
Write = Callable[..., Path]

SECOND = 1_700_000_000_000_000_000
"""When all versions of a file were written, as far as Python's caches can tell."""


def set_text(file: Path, text: str) -> None:
    """Write a file as an edit within one second would."""
    file.write_text(text)
    os.utime(file, ns=(SECOND, SECOND))


def cache_of(file: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(file)))


SHOW = """
    import json, trapped.part
    from dalsegno.bundle import capture
    taken = capture(["trapped.part"])
    [file] = [file for file in taken.bundle.files if file.path == "trapped/part.py"]
    print(json.dumps([trapped.part.value(), taken.read(file.blob).decode(), taken.stale]))
"""


@pytest.fixture
def outdated(tmp_path: Path, python: Python, write: Write) -> Path:
    """A package whose module `part` was edited to the same length in the second in which it was cached."""
    root = write(tmp_path / "src", {"trapped/__init__.py": "", "trapped/part.py": ""})
    part = root / "trapped" / "part.py"
    set_text(part, "def value(n=1): return n\n")
    shown = python("-c", SHOW, path=(root,), PYTHONDONTWRITEBYTECODE="")
    assert shown == [1, "def value(n=1): return n\n", []]
    assert cache_of(part).exists()
    set_text(part, "def value(n=2): return n\n")
    return root


def test_a_module_from_an_outdated_cache_is_stale_and_loaded_right_the_next_time(
    outdated: Path, python: Python
) -> None:
    new = "def value(n=2): return n\n"
    assert python("-c", SHOW, path=(outdated,)) == [1, new, ["trapped.part"]]
    assert not cache_of(outdated / "trapped" / "part.py").exists()
    assert python("-c", SHOW, path=(outdated,)) == [2, new, []]


def test_a_lazy_import_gets_the_text_that_was_recorded(outdated: Path, python: Python) -> None:
    (outdated / "trapped" / "main.py").write_text("def f():\n    import trapped.part\n")
    code = """
        import json, trapped.main
        from dalsegno.bundle import capture
        stale = capture(["trapped.main"]).stale
        import trapped.part
        print(json.dumps([stale, trapped.part.value()]))
    """
    assert python("-c", code, path=(outdated,)) == [[], 2]


def test_recorded_code_that_is_used_live_is_the_recorded_text(outdated: Path, python: Python) -> None:
    code = """
        import json
        from pathlib import Path
        from dalsegno.bundle import Bundle, BundleFile, load
        from dalsegno_storage.digest import digest
        root = Path({root!r})
        contents = {{path: (root / path).read_bytes() for path in ("trapped/__init__.py", "trapped/part.py")}}
        blobs = {{digest("blob", data): data for data in contents.values()}}
        bundle = Bundle(tuple(BundleFile(path, digest("blob", data), len(data)) for path, data in contents.items()))
        loaded = load(bundle, blobs.__getitem__)
        print(json.dumps([loaded.how, loaded.resolve("trapped.part", "value")()]))
    """
    assert python("-c", code.format(root=str(outdated)), path=(outdated,)) == ["live", 2]


def test_the_command_line_runs_the_files_as_they_are(outdated: Path, python: Python, tmp_path: Path) -> None:
    (outdated / "flow.py").write_text(
        "import dalsegno\nfrom trapped.part import value\nenv = dalsegno.TaskEnvironment('flow')\n"
        "@env.task\ndef main() -> int:\n    return value()\n"
    )
    arguments = "-m", "dalsegno", "run", "flow.py", "main", "--json", "--store", str(tmp_path / "store")
    shown = python(*arguments, cwd=outdated)
    assert shown["phase"] == "succeeded"
    assert shown["outputs"] == [2]


def test_fresh_imports_leave_nothing_behind(outdated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(outdated))
    finders, modules = list(sys.meta_path), sys.modules.copy()
    try:
        with fresh_imports():
            assert importlib.import_module("trapped.part").value() == 2
    finally:
        for name in sys.modules.keys() - modules.keys():
            del sys.modules[name]
    assert sys.meta_path == finders


def test_a_cache_that_was_written_clearly_later_is_believed(tmp_path: Path) -> None:
    file, cached = tmp_path / "a.py", tmp_path / "a.pyc"
    file.touch()
    cached.touch()
    changed = file.stat().st_ctime_ns
    os.utime(cached, ns=(changed, changed + 2_100_000_000))
    assert not may_be_outdated(str(file), str(cached))
    os.utime(cached, ns=(changed, changed + 1_900_000_000))
    assert may_be_outdated(str(file), str(cached))
    cached.unlink()
    assert not may_be_outdated(str(file), str(cached))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LIMIT = 1\n", "LIMIT = 2\n"),
        ("LIMIT = 1\n", "LIMIT = 1.0\n"),
        ("class C:\n    LIMIT = 'a'\n", "class C:\n    LIMIT = 'b'\n"),
        ("class C:\n    def m(self): return 1\n", "class C:\n    def m(self): return 2\n"),
        ("def f():\n    return 1\n", "def f(:\n"),
    ],
)
def test_an_edit_between_import_and_first_look_is_noticed_without_caches(
    project: Project, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    root = project({"early_const.py": before})
    importlib.import_module("early_const")
    (root / "early_const.py").write_text(after)
    assert capture(["early_const"]).stale == ("early_const",)
    (root / "early_const.py").write_text(
        before
    )  # another process may have seen it; this one cannot know any more
    assert capture(["early_const"]).stale == ("early_const",)


@pytest.mark.parametrize("caches", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "COUNT = 0\ndef f():\n    global COUNT\n    COUNT += 1\nf()\n",
        "MODE = 'a'\nif MODE == 'a':\n    MODE = 'b'\n",
        "class C:\n    '''Text.'''\n    N = 1\n    def m(self): return self.N\nclass D(C):\n    N = 2\n",
        "import enum\nclass E(enum.Enum):\n    A = 1\n",
        "if False:\n    NEVER = 1\n",
        "from functools import wraps\n@wraps(len)\ndef f(x): return lambda: x\n",
    ],
)
def test_a_file_that_was_only_touched_is_what_was_loaded(
    project: Project, monkeypatch: pytest.MonkeyPatch, text: str, caches: bool
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", not caches)
    root = project({"touched_mod.py": text})
    importlib.import_module("touched_mod")
    os.utime(root / "touched_mod.py", ns=(SECOND, SECOND))
    assert capture(["touched_mod"]).stale == ()
