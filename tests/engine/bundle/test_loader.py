"""Loading: several versions side by side, and nothing of the caller's tree in any of them."""

import dataclasses
import importlib
import inspect
import linecache
import pickle
import pkgutil
import sys
import threading
import traceback
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dalsegno.bundle import Bundle, BundleFile, LoadedBundle, capture, load, recorded_module_name, unload
from dalsegno.errors import BundleLoadError
from dalsegno_storage.digest import digest

Project = Callable[..., Path]


def bundle_of(files: dict[str, str]) -> tuple[Bundle, dict[bytes, bytes]]:
    blobs = {digest("blob", text.encode()): text.encode() for text in files.values()}
    entries = (
        BundleFile(path, digest("blob", text.encode()), len(text.encode())) for path, text in files.items()
    )
    return Bundle(tuple(entries)), blobs


def loaded_from(files: dict[str, str], isolation: Any = "private") -> LoadedBundle:
    bundle, blobs = bundle_of(files)
    return load(bundle, blobs.__getitem__, isolation=isolation)


@pytest.fixture(autouse=True)
def _clean(project: Project) -> None:
    """The fixture unloads what a test loads."""


def version(number: int) -> dict[str, str]:
    return {
        "ver_pkg/__init__.py": "",
        "ver_pkg/main.py": f"""\
import importlib
import ver_pkg.part
from ver_pkg import part as same
from . import relative
from .part import number
def run():
    import ver_pkg.lazy
    from .lazy import lazy
    by_name = importlib.import_module("ver_pkg.by_name").number
    near = importlib.import_module(".by_name", package="ver_pkg").number
    built_in = __import__("ver_pkg.by_name").by_name.number
    return [ver_pkg.part.number, same.number, number, relative.number, lazy, by_name, near, built_in, {number}]
""",
        **{f"ver_pkg/{name}.py": f"number = {number}" for name in ("part", "relative", "by_name")},
        "ver_pkg/lazy.py": f"import ver_pkg.part as part\nlazy = part.number + {number} - {number}",
    }


def test_three_versions_of_one_package_in_one_process(project: Project) -> None:
    first, second = loaded_from(version(1)), loaded_from(version(2), None)
    assert [first.how, second.how] == ["private", "real"]
    project(version(3))
    live = importlib.import_module("ver_pkg.main")
    third = load(capture(["ver_pkg.main"]).bundle, dict[bytes, bytes]().__getitem__)
    assert third.how == "live"
    assert third.module("ver_pkg.main") is live
    assert first.module("ver_pkg.main").run() == [1] * 9
    assert second.module("ver_pkg.main").run() == [2] * 9
    assert live.run() == [3] * 9
    assert [first.how, second.how] == ["private", "private"]


def test_real_names_when_nobody_else_has_them() -> None:
    code = loaded_from(version(4), None)
    assert code.how == "real"
    assert "ver_pkg" not in sys.modules
    module = code.module("ver_pkg.main")
    assert module.__name__ == "ver_pkg.main"
    assert module.run() == [4] * 9
    assert loaded_from(version(4), None) is code
    other = loaded_from(version(5), None)
    assert other.how == "private"
    assert other.module("ver_pkg.main").run() == [5] * 9
    assert capture(["ver_pkg.main"]).bundle == code.bundle
    unload(code.bundle.digest)
    assert not [name for name in sys.modules if name.startswith("ver_pkg")]


def test_names_that_could_be_imported_are_left_alone(project: Project) -> None:
    project(version(6))
    code = loaded_from(version(7), None)
    assert code.how == "private"
    assert code.module("ver_pkg.main").run() == [7] * 9
    assert importlib.import_module("ver_pkg.main").run() == [6] * 9


def test_live_only_as_long_as_it_is_the_same(project: Project) -> None:
    root = project(version(8))
    importlib.import_module("ver_pkg.main")
    taken = capture(["ver_pkg.main"])
    content = {blob: taken.read(blob) for blob in taken.bundle.blobs()}
    assert load(taken.bundle, content.__getitem__).how == "live"
    (root / "ver_pkg" / "lazy.py").write_text("lazy = 'edited before it was imported'")
    code = load(taken.bundle, content.__getitem__)
    assert code.how == "private"
    assert code.module("ver_pkg.main").run() == [8] * 9


def test_a_reload_ends_being_live(project: Project) -> None:
    root = project({"rel_mod.py": "def f():\n    return 1\n"})
    module = importlib.import_module("rel_mod")
    taken = capture(["rel_mod"])
    content = {blob: taken.read(blob) for blob in taken.bundle.blobs()}
    (root / "rel_mod.py").write_text("def f():\n    return 22\n")
    assert load(taken.bundle, content.__getitem__).how == "live"
    importlib.reload(module)
    code = load(taken.bundle, content.__getitem__)
    assert (code.how, code.module("rel_mod").f(), module.f()) == ("private", 1, 22)


def test_what_is_not_in_the_bundle_does_not_come_from_the_callers_tree(project: Project) -> None:
    project(
        {
            "leak_mod.py": "value = 'leaked'",
            "leak_pkg/__init__.py": "",
            "leak_pkg/extra.py": "value = 'leaked'",
        }
    )
    importlib.import_module("leak_mod")
    code = loaded_from(
        {
            "leak_user.py": """\
import importlib, importlib.util
def attempts():
    found = []
    for attempt in (by_import, by_from, by_name, by_submodule):
        try:
            found.append(attempt())
        except ModuleNotFoundError as error:
            found.append(error.name)
    return [*found, importlib.util.find_spec("leak_mod"), importlib.util.find_spec("json") is None]
def by_import():
    import leak_mod
    return leak_mod.value
def by_from():
    from leak_mod import value
    return value
def by_name():
    return importlib.import_module("leak_mod").value
def by_submodule():
    import leak_pkg.extra
    return leak_pkg.extra.value
""",
            "leak_pkg/__init__.py": "",
        }
    )
    assert code.module("leak_user").attempts() == [
        "leak_mod",
        "leak_mod",
        "leak_mod",
        "leak_pkg.extra",
        None,
        False,
    ]


def test_a_package_shared_with_the_environment(project: Project) -> None:
    project({"site-packages/shared_ns/theirs.py": "value = 'installed'"}, folder="lib")
    sys.path.insert(0, str(project({}, folder="lib/site-packages", on_path=False)))
    try:
        code = loaded_from(
            {
                "shared_ns/ours.py": "from shared_ns.theirs import value\nimport shared_ns.other as other",
                "shared_ns/other.py": "",
            }
        )
        assert code.module("shared_ns.ours").value == "installed"
    finally:
        sys.path.pop(0)


SHAPES = """\
from __future__ import annotations
import dataclasses, enum, logging, pickle, typing
from typing import ClassVar, NamedTuple, Optional
from pydantic import BaseModel

log = logging.getLogger(__name__)

@dataclasses.dataclass
class Point:
    kind: ClassVar[str] = "point"
    x: int = 0
    next: Optional[Point] = None

class Colour(enum.Enum):
    RED = 1

class Pair(NamedTuple):
    a: int
    b: Point

class Node(BaseModel):
    children: list[Node] = []
    point: Point | None = None
    colour: Colour = Colour.RED

class Outer:
    class Inner:
        def method(self):
            raise ValueError("from inside")

def raises():
    return Outer.Inner().method()

if __name__ == "__main__":
    raise SystemExit("the guard fired")
"""


@pytest.mark.parametrize("isolation", ["private", None])
def test_what_libraries_want_of_a_module(isolation: Any) -> None:
    code = loaded_from({"shape_pkg/__init__.py": "", "shape_pkg/shapes.py": SHAPES}, isolation)
    assert code.how == ("private" if isolation else "real")
    shapes = code.module("shape_pkg.shapes")
    assert [field.name for field in dataclasses.fields(shapes.Point)] == ["x", "next"]
    assert typing.get_type_hints(shapes.Point)["next"] == shapes.Point | None
    assert typing.get_type_hints(shapes.Pair)["b"] is shapes.Point
    node = shapes.Node.model_validate({"children": [{"point": {"x": 2}}], "colour": 1})
    assert node.children[0].point == shapes.Point(2)
    for value in (shapes.Point(1, shapes.Point(2)), shapes.Colour.RED, shapes.Pair(1, shapes.Point()), node):
        assert pickle.loads(pickle.dumps(value)) == value
    assert pickle.loads(pickle.dumps(shapes.Outer.Inner)) is shapes.Outer.Inner
    linecache.clearcache()
    assert inspect.getsource(shapes.raises) == "def raises():\n    return Outer.Inner().method()\n"
    assert inspect.getsource(shapes.Point).startswith("@dataclasses.dataclass\nclass Point:")
    assert inspect.getsource(shapes) == SHAPES
    assert recorded_module_name(shapes.Point.__module__) == "shape_pkg.shapes"
    assert code.resolve("shape_pkg.shapes", "Outer.Inner.method") is shapes.Outer.Inner.method
    with pytest.raises(ValueError, match="from inside") as caught:
        shapes.raises()
    shown = "".join(traceback.format_exception(caught.value))
    assert f'File "<bundle {code.bundle.short}>/shape_pkg/shapes.py"' in shown
    assert 'raise ValueError("from inside")' in shown
    assert pickle.loads(pickle.dumps(shapes.log)) is shapes.log


def test_packages_list_their_modules() -> None:
    code = loaded_from(
        {
            "plug_pkg/__init__.py": """\
import importlib, pkgutil
def names():
    return [(info.name, info.ispkg) for info in pkgutil.iter_modules(__path__)]
def all_loaded():
    return [importlib.import_module(info.name).value for info in pkgutil.walk_packages(__path__, __name__ + ".")]
""",
            "plug_pkg/a.py": "value = 'a'",
            "plug_pkg/sub/__init__.py": "value = 'sub'",
            "plug_pkg/sub/b.py": "value = 'b'",
        }
    )
    package = code.module("plug_pkg")
    assert package.names() == [("a", False), ("sub", True)]
    importlib.invalidate_caches()
    assert package.all_loaded() == ["a", "sub", "b"]
    assert [info.name for info in pkgutil.iter_modules(package.__path__)] == ["a", "sub"]


def test_relative_imports_end_at_the_top() -> None:
    code = loaded_from(
        {
            "edge_pkg/__init__.py": "",
            "edge_pkg/m.py": "from .. import edge_top",
            "edge_top.py": "from . import edge_pkg",
        }
    )
    for name in ("edge_pkg.m", "edge_top"):
        with pytest.raises(BundleLoadError, match="beyond top-level package"):
            code.module(name)


def test_errors_name_the_module_and_the_cause() -> None:
    code = loaded_from(
        {
            "err_syntax.py": "def (:",
            "err_import.py": "import not_installed_anywhere",
            "err_exit.py": "raise SystemExit(3)",
            "err_missing.py": "import err_pkg.absent",
            "err_pkg/__init__.py": "",
            "err_ok.py": "x = 1",
        }
    )
    for name, cause, kind in (
        ("err_syntax", "SyntaxError", SyntaxError),
        ("err_import", "not_installed_anywhere", ModuleNotFoundError),
        ("err_exit", "SystemExit", SystemExit),
        ("err_missing", "No module named 'err_pkg.absent'", ModuleNotFoundError),
        ("err_pkg.absent", "err_pkg.absent", ModuleNotFoundError),
    ):
        with pytest.raises(BundleLoadError, match=cause) as caught:
            code.module(name)
        assert caught.value.module == name
        assert isinstance(caught.value.__cause__, kind)
        assert "_dalsegno_" not in str(caught.value)
    with pytest.raises(BundleLoadError, match="no y"):
        code.resolve("err_ok", "y")


def test_threads_import_together() -> None:
    files = {
        "thr_pkg/__init__.py": "",
        "thr_pkg/count.py": "import time\nruns = []\nruns.append(1)\ntime.sleep(0)",
    }
    for number in range(20):
        files[f"thr_pkg/m{number}.py"] = (
            f"from thr_pkg.count import runs\nfrom . import m{(number + 1) % 20}\nruns.append({number})"
        )
    code = loaded_from(files)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            code.module(f"thr_pkg.m{number}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(code.module("thr_pkg.count").runs) == sorted([1, *range(20)])


def test_loading_is_remembered_and_can_be_undone() -> None:
    files = {"mem_mod.py": "class C: pass"}
    code = loaded_from(files)
    first = code.module("mem_mod").C
    assert loaded_from(files) is code
    unload(code.bundle.digest)
    assert not [name for name in sys.modules if name.startswith(f"_dalsegno_{code.bundle.short}")]
    assert loaded_from(files).module("mem_mod").C is not first


def test_a_capture_of_recorded_code_is_its_bundle() -> None:
    code = loaded_from({"cap_mod.py": "import msgpack", "cap_other.py": ""})
    module = code.module("cap_mod")
    taken = capture([module.__name__])
    assert taken.bundle == code.bundle
    assert taken.imports == ("msgpack",)
    assert {taken.read(blob) for blob in taken.bundle.blobs()} == {b"import msgpack", b""}


def test_an_empty_bundle_means_what_is_here(project: Project) -> None:
    project({"amb_mod.py": "x = 1"})
    code = loaded_from({}, None)
    assert (code.how, code.resolve("amb_mod", "x")) == ("live", 1)


def test_an_installed_module_comes_from_the_environment() -> None:
    code = loaded_from({"env_mod.py": ""})
    assert code.module("json") is sys.modules["json"]
