"""Scripts, `python -m`, and functions without an importable name, in processes of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Python = Callable[..., Any]
Write = Callable[..., Path]

SHOW = """
import json
from dalsegno.bundle import capture, recorded_module_name
taken = capture([__name__])
print(json.dumps([[file.path for file in taken.bundle.files], recorded_module_name(__name__), list(taken.stale)]))
"""


def test_a_script_is_recorded_under_the_name_of_its_file(
    tmp_path: Path, python: Python, write: Write
) -> None:
    root = write(
        tmp_path / "app",
        {"main.py": SHOW + "\nimport helper_one", "helper_one.py": "def f():\n    import helper_two"},
    )
    write(root, {"helper_two.py": "", "other.py": ""})
    # What the script imports after the capture is in its text.
    assert python(str(root / "main.py")) == [["helper_one.py", "helper_two.py", "main.py"], "main", []]
    (tmp_path / "link.py").symlink_to(root / "main.py")
    assert python(str(tmp_path / "link.py")) == [["helper_one.py", "helper_two.py", "main.py"], "main", []]


def test_a_module_run_with_m_keeps_its_name(tmp_path: Path, python: Python, write: Write) -> None:
    root = write(
        tmp_path,
        {"runpkg/__init__.py": "", "runpkg/mod.py": SHOW + "from . import near", "runpkg/near.py": ""},
    )
    write(root, {"runpkg/__main__.py": SHOW})
    names = ["runpkg/__init__.py", "runpkg/mod.py", "runpkg/near.py"]
    assert python("-m", "runpkg.mod", cwd=root) == [names, "runpkg.mod", []]
    assert python("-m", "runpkg", cwd=root) == [
        ["runpkg/__init__.py", "runpkg/__main__.py"],
        "runpkg.__main__",
        [],
    ]


def test_a_script_is_live_in_its_own_process(tmp_path: Path, python: Python, write: Write) -> None:
    text = """
        import json, sys
        from dalsegno.bundle import capture, load
        class C: pass
        taken = capture([__name__])
        code = load(taken.bundle, taken.read)
        private = load(taken.bundle, taken.read, isolation="private") if __name__ == "__main__" else None
        if __name__ == "__main__":
            other = private.resolve("own", "C")
            print(json.dumps([code.how, code.resolve("own", "C") is C, other is C, other.__module__.endswith(".own")]))
    """
    root = write(tmp_path / "app", {"own.py": text})
    assert python(str(root / "own.py")) == ["live", True, False, True]


SAVE = """
import json, sys
from pathlib import Path
from dalsegno.bundle import capture, importable_name, pickle_function
folder = Path(sys.argv[1])
def save(function):
    pickled = pickle_function(function)
    taken = capture([], needed=pickled.modules)
    (folder / "pickle").write_bytes(pickled.data)
    (folder / "bundle").write_bytes(taken.bundle.encode())
    for blob in taken.bundle.blobs():
        (folder / blob.hex()).write_bytes(taken.read(blob))
    again = capture([], needed=pickled.modules)
    print(json.dumps([importable_name(function), [f.path for f in taken.bundle.files], again.bundle == taken.bundle]))
"""

RUN = """
import json, sys
from pathlib import Path
from dalsegno.bundle import Bundle, load
folder = Path(sys.argv[1])
bundle = Bundle.decode((folder / "bundle").read_bytes())
code = load(bundle, lambda blob: (folder / blob.hex()).read_bytes())
function = code.unpickle((folder / "pickle").read_bytes())
print(json.dumps([code.how, function(2)]))
"""

USES = """
import by_value_help as help
from by_value_help import Thing
LIMIT = 40
class Local:
    size = LIMIT
def helper(x):
    return x + Local.size
def task(x):
    from by_value_lazy import more
    import by_value_help.inner
    return [helper(x), help.scale(x), more, Thing(x).x, by_value_help.inner.deep]
"""

HELP = {
    "by_value_help/__init__.py": "def scale(x):\n    return 10 * x\nclass Thing:\n    def __init__(self, x):\n        self.x = x",
    "by_value_help/inner.py": "deep = 'deep'",
    "by_value_lazy.py": "more = 'lazy'",
}
FILES = ["by_value_help/__init__.py", "by_value_help/inner.py", "by_value_lazy.py"]
RESULT = [42, 20, "lazy", 2, "deep"]


@pytest.fixture
def folders(tmp_path: Path, write: Write) -> tuple[Path, Path, Path]:
    for name in ("store", "empty"):
        (tmp_path / name).mkdir()
    return write(tmp_path / "tree", HELP), tmp_path / "store", tmp_path / "empty"


def test_a_function_of_python_c(folders: tuple[Path, Path, Path], python: Python) -> None:
    tree, store, empty = folders
    saved = python("-c", SAVE + USES + "save(task)", str(store), path=(tree,))
    assert saved == [None, FILES, True]
    how, result = python("-c", RUN, str(store), cwd=empty)
    assert (how, result) == ("real", RESULT)


def test_it_takes_nothing_from_a_changed_tree(folders: tuple[Path, Path, Path], python: Python) -> None:
    tree, store, empty = folders
    python("-c", SAVE + USES + "save(task)", str(store), path=(tree,))
    for name in HELP:
        (tree / name).write_text("more = deep = scale = Thing = 'changed'")
    assert python("-c", RUN, str(store), cwd=empty, path=(tree,)) == ["private", RESULT]


def test_a_function_inside_a_script(folders: tuple[Path, Path, Path], python: Python, write: Write) -> None:
    tree, store, empty = folders
    text = (
        SAVE
        + USES
        + "def make():\n    extra = 0\n    return lambda x: [*task(x), extra]\nif __name__ == '__main__':\n    save(make())"
    )
    write(tree, {"script_of.py": text})
    assert python(str(tree / "script_of.py"), str(store)) == [None, [*FILES, "script_of.py"], True]
    for name in [*HELP, "script_of.py"]:
        (tree / name).unlink()
    # Its module needs an argument, as it did when it was recorded.
    assert python("-c", RUN, str(store), cwd=empty) == ["real", [*RESULT, 0]]


def test_a_function_from_exec(folders: tuple[Path, Path, Path], python: Python) -> None:
    tree, store, empty = folders
    code = (
        SAVE + f"namespace = {{'__name__': '__main__'}}\nexec({USES!r}, namespace)\nsave(namespace['task'])"
    )
    assert python("-c", code, str(store), path=(tree,)) == [None, FILES, True]
    assert python("-c", RUN, str(store), cwd=empty) == ["real", RESULT]


TREE = {
    "moved/__init__.py": "",
    "moved/flow.py": """
        from . import part
        def f():
            import moved.lazy
            return [part.x, moved.lazy.y]
    """,
    "moved/part.py": "x = 'recorded'",
    "moved/lazy.py": "y = 'recorded'",
}


def test_a_tree_that_moved_away_or_changed(tmp_path: Path, python: Python, write: Write) -> None:
    tree, store, empty = write(tmp_path / "tree", TREE), tmp_path / "store", tmp_path / "empty"
    store.mkdir()
    empty.mkdir()
    python(
        "-c",
        SAVE + "import moved.flow\ndef g(x):\n    return moved.flow.f()\nsave(g)",
        str(store),
        path=(tree,),
    )
    assert python("-c", RUN, str(store), cwd=tree) == ["live", ["recorded"] * 2]
    (tree / "moved" / "lazy.py").write_text("y = 'changed'")
    assert python("-c", RUN, str(store), cwd=tree) == ["private", ["recorded"] * 2]
    (tree / "moved" / "part.py").unlink()
    assert python("-c", "import moved\n" + RUN, str(store), cwd=tree) == ["private", ["recorded"] * 2]
    tree.rename(tmp_path / "away")
    assert python("-c", RUN, str(store), cwd=empty) == ["real", ["recorded"] * 2]
