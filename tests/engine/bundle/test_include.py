"""Files that no code imports: patterns, whole folders, and what is never taken."""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dalsegno.bundle import Capture, LoadedBundle, capture, identities
from dalsegno.errors import BundleCaptureError

Project = Callable[..., Path]


def paths(taken: Capture) -> list[str]:
    return [file.path for file in taken.bundle.files]


@pytest.fixture
def root(project: Project) -> Path:
    root = project(
        {
            "inc_pkg/__init__.py": "",
            "inc_pkg/task.py": "",
            "inc_pkg/plugins/late.py": "import inc_pkg.helper",
            "inc_pkg/helper.py": "",
            "inc_pkg/data/a.csv": "a",
            "inc_pkg/data/b.csv": "b",
            "inc_pkg/data/.env": "SECRET=1",
            "inc_pkg/.env.local": "SECRET=1",
            "inc_pkg/prod.env": "SECRET=1",
            "inc_pkg/sub/env/pyvenv.cfg": "",
            "inc_pkg/sub/env/x.csv": "",
            "inc_pkg/sub/.git/config": "",
            "inc_pkg/__pycache__/x.pyc": "",
            "README.txt": "read",
        }
    )
    importlib.import_module("inc_pkg.task")
    return root


CODE = ["inc_pkg/__init__.py", "inc_pkg/task.py"]


def test_patterns_are_relative_to_their_folder_and_recorded_below_the_root(root: Path) -> None:
    taken = capture(["inc_pkg.task"], include=[(root / "inc_pkg", "data/*.csv"), (root, "*.txt")])
    assert paths(taken) == sorted([*CODE, "README.txt", "inc_pkg/data/a.csv", "inc_pkg/data/b.csv"])
    assert {taken.read(file.blob) for file in taken.bundle.files} == {b"", b"a", b"b", b"read"}


def test_a_folder_stands_for_its_files_without_secrets(root: Path) -> None:
    taken = capture(["inc_pkg.task"], include=[(root, "inc_pkg")])
    assert paths(taken) == sorted(
        [*CODE, "inc_pkg/data/a.csv", "inc_pkg/data/b.csv", "inc_pkg/helper.py", "inc_pkg/plugins/late.py"]
    )


def test_included_code_brings_what_it_imports(root: Path) -> None:
    taken = capture(["inc_pkg.task"], include=[(root, "inc_pkg/plugins/*.py")])
    assert paths(taken) == sorted([*CODE, "inc_pkg/helper.py", "inc_pkg/plugins/late.py"])


@pytest.mark.parametrize(
    "pattern",
    ["nothing/*", "**/.env", "inc_pkg/.env*", "**/*.env", "inc_pkg/sub/env/*.csv", "/etc/*", "", "../../*"],
)
def test_a_pattern_without_a_file_to_record_is_refused(root: Path, pattern: str) -> None:
    with pytest.raises(BundleCaptureError) as caught:
        capture(["inc_pkg.task"], include=[(root, pattern)])
    assert repr(pattern) in str(caught.value)


def test_a_folder_outside_of_the_roots_is_its_own_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "logo.txt").write_text("logo")
    assert "logo.txt" in paths(capture(["inc_pkg.task"], include=[(tmp_path / "assets", "*")]))


def test_links_that_leave_the_root_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.csv").write_text("key")
    (root / "inc_pkg" / "data" / "link.csv").symlink_to(tmp_path / "secret" / "key.csv")
    (root / "inc_pkg" / "linked").symlink_to(tmp_path / "secret")
    (root / "inc_pkg" / "data" / "loop").symlink_to(root / "inc_pkg")
    (root / "inc_pkg" / "data" / "fifo.csv").parent.joinpath("dangling.csv").symlink_to("nowhere")
    os.mkfifo(root / "inc_pkg" / "data" / "pipe.csv")
    taken = capture(["inc_pkg.task"], include=[(root, "inc_pkg/**/*.csv"), (root, "inc_pkg/linked/..")])
    assert {path for path in paths(taken) if path.endswith(".csv")} == {
        "inc_pkg/data/a.csv",
        "inc_pkg/data/b.csv",
    }


def test_the_store_is_not_even_opened(root: Path, python: Any) -> None:
    store = root / "inc_pkg" / "store"
    store.mkdir()
    for name in ("data.mdb", "lock.mdb"):
        (store / name).write_text("store")
    (root / "inc_pkg" / "by_link").symlink_to(store)
    os.link(store / "lock.mdb", root / "inc_pkg" / "hard.mdb")
    exclude = identities(store)
    code = """
        import json, sys
        from dalsegno.bundle import capture, identities
        import inc_pkg.task
        root, opened = sys.argv[1], []
        exclude = identities(root + "/inc_pkg/store")
        sys.addaudithook(lambda event, details: opened.append(str(details[0])) if event == "open" else None)
        taken = capture(["inc_pkg.task"], include=[(root, "inc_pkg")], copy_style="all", exclude_dirs=exclude)
        print(json.dumps([path for path in [*opened, *(file.path for file in taken.bundle.files)] if ".csv" in path or ".mdb" in path]))
    """
    seen = python("-c", code, str(root), path=(root,))
    assert [path for path in seen if path.endswith(".mdb")] == []
    assert {"inc_pkg/data/a.csv", str(root / "inc_pkg" / "data" / "a.csv")} <= set(seen)
    with pytest.raises(BundleCaptureError, match="never recorded"):
        capture(["inc_pkg.task"], include=[(root, "inc_pkg/hard.mdb")], exclude_dirs=exclude)
    assert "inc_pkg/hard.mdb" in paths(capture(["inc_pkg.task"], include=[(root, "inc_pkg")]))


def test_everything_below_the_root(root: Path) -> None:
    files = [
        "README.txt",
        "inc_pkg/data/a.csv",
        "inc_pkg/data/b.csv",
        "inc_pkg/helper.py",
        "inc_pkg/plugins/late.py",
    ]
    assert paths(capture(["inc_pkg.task"], copy_style="all")) == sorted([*CODE, *files])


def test_everything_below_a_given_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "top.md").write_text("top")
    taken = capture(["inc_pkg.task"], copy_style="all", root_dir=tmp_path)
    assert {"top.md", "README.txt", "inc_pkg/data/a.csv"} < set(paths(taken))


def test_a_data_file_that_changes_between_capture_and_reading_is_refused(root: Path) -> None:
    taken = capture(["inc_pkg.task"], include=[(root, "inc_pkg/data/a.csv")])
    [blob] = [file.blob for file in taken.bundle.files if file.path.endswith("a.csv")]
    (root / "inc_pkg" / "data" / "a.csv").write_text("c")
    with pytest.raises(BundleCaptureError, match="changed"):
        taken.read(blob)


def test_recorded_code_finds_its_data(project: Project, loaded: Any) -> None:
    root = project(
        {
            "dat_pkg/__init__.py": "",
            "dat_pkg/task.py": """
                import pkgutil
                from importlib import resources
                from importlib.resources import files
                from pathlib import Path
                def read():
                    return [
                        Path(__file__).with_name("d.txt").read_text(),
                        resources.files("dat_pkg").joinpath("d.txt").read_text(),
                        files(__package__).joinpath("d.txt").read_text(),
                        resources.files("dat_pkg.more").joinpath("e.txt").read_text(),
                        pkgutil.get_data("dat_pkg", "d.txt").decode(),
                        pkgutil.get_data(__name__, "d.txt").decode(),
                    ]
            """,
            "dat_pkg/d.txt": "recorded",
            "dat_pkg/more/e.txt": "more",
        }
    )
    importlib.import_module("dat_pkg.task")
    taken = capture(["dat_pkg.task"], include=[(root, "dat_pkg/**/*.txt")])
    private: LoadedBundle = loaded(taken)
    assert loaded(taken, None).how == "live"
    (root / "dat_pkg" / "d.txt").write_text("edited")
    assert private.module("dat_pkg.task").read() == ["recorded"] * 3 + ["more"] + ["recorded"] * 2
    assert loaded(taken, None).how == "private"
