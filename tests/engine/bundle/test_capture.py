"""Capture: which files are taken, and that nothing else decides the digest."""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dalsegno.bundle import Capture, capture
from dalsegno.errors import BundleCaptureError

Project = Callable[..., Path]


def paths(taken: Capture) -> list[str]:
    return [file.path for file in taken.bundle.files]


def text(taken: Capture, path: str) -> str:
    [file] = [file for file in taken.bundle.files if file.path == path]
    return taken.read(file.blob).decode()


def test_everything_that_is_imported_from_the_users_roots_is_taken(project: Project) -> None:
    project(
        {
            "shop/__init__.py": "",
            "shop/flow.py": """
                from __future__ import annotations
                import json, importlib
                import shop.absolute
                from . import relative
                from .deep.inner import value
                from typing import TYPE_CHECKING
                if TYPE_CHECKING:
                    from shop.types_only import T
                def later():
                    from .lazy import x
                    importlib.import_module("shop.dynamic")
                    importlib.import_module(".near", package=__package__)
                    importlib.import_module(".named", "shop")
                    __import__("shop.built_in")
                    try:
                        import shop.not_there
                    except ImportError:
                        pass
                class C:
                    def method(self):
                        match 1:
                            case 1:
                                import shop.matched
            """,
            "shop/absolute.py": "import shop.cycle",
            "shop/cycle.py": "import shop.absolute",
            "shop/relative.py": "from shop.starred import *",
            "shop/starred/__init__.py": "__all__ = ['member']",
            "shop/starred/member.py": "",
            "shop/deep/__init__.py": "",
            "shop/deep/inner.py": "from .. import uncle\nvalue = 1",
            "shop/uncle.py": "",
            "shop/types_only.py": "T = int",
            "shop/lazy.py": "import helper_module\nx = 1",
            "shop/dynamic.py": "",
            "shop/near.py": "",
            "shop/named.py": "",
            "shop/built_in.py": "",
            "shop/matched.py": "import broken_module",
            "shop/unrelated.py": "",
            "helper_module.py": "",
            "broken_module.py": "def (:",
            "other_module.py": "",
        }
    )
    importlib.import_module("shop.flow")
    taken = capture(["shop.flow"])
    assert paths(taken) == [
        "broken_module.py",
        "helper_module.py",
        *(
            f"shop/{name}"
            for name in [
                "__init__.py",
                "absolute.py",
                "built_in.py",
                "cycle.py",
                "deep/__init__.py",
                "deep/inner.py",
                "dynamic.py",
                "flow.py",
                "lazy.py",
                "matched.py",
                "named.py",
                "near.py",
                "relative.py",
                "starred/__init__.py",
                "starred/member.py",
                "types_only.py",
                "uncle.py",
            ]
        ),
    ]
    assert text(taken, "broken_module.py") == "def (:"
    assert taken.stale == ()


def test_loaded_modules_of_the_same_root_are_taken_and_others_are_not(project: Project) -> None:
    project({"first_mod.py": "", "second_mod.py": "", "third_mod.py": ""}, folder="one")
    project({"elsewhere_mod.py": ""}, folder="two")
    for name in ("first_mod", "second_mod", "elsewhere_mod"):
        importlib.import_module(name)
    assert paths(capture(["first_mod"])) == ["first_mod.py", "second_mod.py"]


def test_several_roots_and_namespace_packages(project: Project) -> None:
    project(
        {"space/app/run.py": "import space.lib.tool\nimport space.later.part\nimport single_mod"},
        folder="one",
    )
    project({"space/lib/tool.py": "", "space/later/part.py": "", "single_mod.py": ""}, folder="two")
    importlib.import_module("space.app.run")
    assert paths(capture(["space.app.run"])) == [
        "single_mod.py",
        "space/app/run.py",
        "space/later/part.py",
        "space/lib/tool.py",
    ]


def test_a_lazy_import_from_a_namespace_that_is_not_loaded(project: Project) -> None:
    project({"entry_mod.py": "def f():\n    from far.away.deep import mod"}, folder="one")
    project({"far/away/deep/mod.py": ""}, folder="two")
    importlib.import_module("entry_mod")
    assert paths(capture(["entry_mod"])) == ["entry_mod.py", "far/away/deep/mod.py"]


class Hook:
    """What an editable install with an import hook puts on `sys.meta_path`."""

    def __init__(self, name: str, file: Path) -> None:
        self.name, self.file = name, file

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_file_location(name, self.file) if name == self.name else None


def test_an_editable_install_is_the_users(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project({"uses_hooked.py": "def f():\n    import hooked_pkg.part"}, folder="one")
    src = project(
        {"hooked_pkg/__init__.py": "", "hooked_pkg/part.py": "X = 1"}, folder="repo/src", on_path=False
    )
    monkeypatch.setattr(
        sys, "meta_path", [*sys.meta_path, Hook("hooked_pkg", src / "hooked_pkg" / "__init__.py")]
    )
    importlib.import_module("uses_hooked")
    assert paths(capture(["uses_hooked"])) == [
        "hooked_pkg/__init__.py",
        "hooked_pkg/part.py",
        "uses_hooked.py",
    ]


def test_installed_packages_are_not_recorded_but_named(project: Project) -> None:
    project({"site-packages/installed_mod.py": "import uses_installed"}, folder="venv/lib")
    sys.path.insert(0, str(project({}, folder="venv/lib/site-packages", on_path=False)))
    project({"uses_installed.py": "import installed_mod, msgpack\nimport os.path\nimport dalsegno.bundle"})
    try:
        importlib.import_module("uses_installed")
        taken = capture(["uses_installed"])
        assert paths(taken) == ["uses_installed.py"]
        assert taken.imports == ("dalsegno", "installed_mod", "msgpack")
        assert paths(capture(["installed_mod"])) == []
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("place", ["env", "deep/nested/env"])
def test_a_virtual_environment_is_never_the_users(project: Project, place: str) -> None:
    root = project({f"{place}/pyvenv.cfg": "", f"{place}/odd_mod.py": "", "asks_odd.py": "import odd_mod"})
    sys.path.insert(0, str(root / place))
    try:
        importlib.import_module("asks_odd")
        assert paths(capture(["asks_odd"])) == ["asks_odd.py"]
        with pytest.raises(BundleCaptureError, match="virtual environment"):
            capture(["odd_mod"])
    finally:
        sys.path.remove(str(root / place))


def test_only_names_and_content_decide_the_digest(tmp_path: Path, python: Any, write: Any) -> None:
    files = {"pk/__init__.py": "", "pk/a.py": "from . import b", "pk/b.py": "X = {'a', 'b'}"}
    code = "import json, pk.a; from dalsegno.bundle import capture; print(json.dumps(capture(['pk.a']).bundle.digest.hex()))"
    first, second = write(tmp_path / "one", files), write(tmp_path / "somewhere" / "else", files)
    os.utime(second / "pk" / "a.py", (1_000_000_000, 1_000_000_000))
    (second / "pk" / "b.py").chmod(0o755)
    (second / "pk" / "unused.py").touch()
    digests = {
        python("-c", code, path=(root,), PYTHONHASHSEED=seed)
        for root in (first, second)
        for seed in ("0", "1", "77")
    }
    assert len(digests) == 1
    (second / "pk" / "b.py").write_text("X = {'a', 'c'}")
    assert python("-c", code, path=(second,)) not in digests


def test_equal_paths_with_different_content_are_refused(project: Project) -> None:
    one = project({"clash/sub_a/x.py": "import clash.sub_b.y", "same_name.py": "A = 1"}, folder="one")
    two = project({"clash/sub_b/y.py": "", "data/f.txt": "2"}, folder="two")
    project({"data/f.txt": "1"}, folder="one", on_path=False)
    importlib.import_module("clash.sub_a.x")
    with pytest.raises(BundleCaptureError) as caught:
        capture(["clash.sub_a.x"], include=[(one, "data/*"), (two, "data/*")])
    assert str(one / "data" / "f.txt") in str(caught.value)
    assert str(two / "data" / "f.txt") in str(caught.value)


def test_a_second_capture_is_the_same_object_until_something_changes(project: Project) -> None:
    root = project({"again_pkg/__init__.py": "", "again_pkg/m.py": "def f():\n    import again_pkg.maybe"})
    importlib.import_module("again_pkg.m")
    first = capture(["again_pkg.m"])
    assert capture(["again_pkg.m"]) is first
    (root / "again_pkg" / "notes.txt").write_text("no code")
    assert capture(["again_pkg.m"]) is first
    (root / "again_pkg" / "maybe.py").write_text("X = 1")
    second = capture(["again_pkg.m"])
    assert paths(second) == ["again_pkg/__init__.py", "again_pkg/m.py", "again_pkg/maybe.py"]
    (root / "again_pkg" / "maybe.py").write_text("X = 2")
    assert text(capture(["again_pkg.m"]), "again_pkg/maybe.py") == "X = 2"
    (root / "again_pkg" / "maybe.py").unlink()
    assert capture(["again_pkg.m"]).bundle == first.bundle


def test_a_module_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(BundleCaptureError, match="not loaded"):
        capture(["never_imported_anywhere"])


def test_what_is_loaded_is_recorded_not_the_edit(project: Project) -> None:
    root = project({"live_mod.py": "def f():\n    return 1\n"})
    module = importlib.import_module("live_mod")
    before = capture(["live_mod"])
    (root / "live_mod.py").write_text("def f():\n    return 2\n")
    during = capture(["live_mod"])
    assert during.bundle == before.bundle
    assert during.stale == ()
    assert text(during, "live_mod.py").endswith("return 1\n")
    importlib.invalidate_caches()
    importlib.reload(module)
    after = capture(["live_mod"])
    assert text(after, "live_mod.py").endswith("return 2\n")
    assert after.stale == ()


def test_an_edit_before_the_first_look_is_told(project: Project) -> None:
    root = project({"early_mod.py": "def f():\n    return 1\n", "early_ok.py": "def g():\n    return 1\n"})
    importlib.import_module("early_mod")
    importlib.import_module("early_ok")
    (root / "early_mod.py").write_text("def f():\n    return 2\n")
    taken = capture(["early_mod", "early_ok"])
    assert taken.stale == ("early_mod",)
    assert capture(["early_mod", "early_ok"]).stale == ("early_mod",)


def test_a_vanished_tree_is_recorded_as_it_was_loaded(project: Project) -> None:
    root = project({"gone_mod.py": "X = 1"})
    importlib.import_module("gone_mod")
    taken = capture(["gone_mod"])
    (root / "gone_mod.py").unlink()
    assert capture(["gone_mod"]).bundle == taken.bundle
    assert text(taken, "gone_mod.py") == "X = 1"


def test_a_task_module_without_its_file_is_refused(project: Project) -> None:
    root = project({"lost_mod.py": ""})
    importlib.import_module("lost_mod")
    (root / "lost_mod.py").unlink()
    with pytest.raises(BundleCaptureError, match="lost_mod"):
        capture(["lost_mod"])


def test_no_files_on_request(project: Project) -> None:
    project({"copied_mod.py": ""})
    importlib.import_module("copied_mod")
    assert paths(capture(["copied_mod"], copy_style="none")) == []
