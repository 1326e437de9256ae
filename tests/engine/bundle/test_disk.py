"""Bundles written to disk: whole, private, and never through what lies in the way."""

from pathlib import Path

import pytest

from dalsegno.bundle import Bundle, BundleFile, write_files
from dalsegno.errors import BundleError
from dalsegno_storage.digest import digest

FILES = {"a.py": b"A = 1", "pkg/__init__.py": b"", "pkg/deep/data.bin": bytes(range(256))}
CONTENT = {digest("blob", data): data for data in FILES.values()}
BUNDLE = Bundle(tuple(BundleFile(path, digest("blob", data), len(data)) for path, data in FILES.items()))


def found(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_files_and_modes(tmp_path: Path) -> None:
    write_files(BUNDLE, CONTENT.__getitem__, tmp_path / "new" / "out")
    assert found(tmp_path / "new" / "out") == FILES
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (tmp_path / "new" / "out").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("mine")
    with pytest.raises(BundleError, match="pkg/__init__.py"):
        write_files(BUNDLE, CONTENT.__getitem__, tmp_path)
    assert (tmp_path / "pkg" / "__init__.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["pkg", "a.py"])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    target, out = tmp_path / "target", tmp_path / "out"
    target.mkdir()
    out.mkdir()
    (out / name).symlink_to(target if name == "pkg" else target / "new.py")
    with pytest.raises(BundleError):
        write_files(BUNDLE, CONTENT.__getitem__, out)
    assert list(target.iterdir()) == []
