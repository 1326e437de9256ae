"""Files and directories as values."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from dalsegno import Dir, File
from dalsegno.codec import Encoded, decode, encode
from dalsegno.errors import DecodeError, EncodeError, UsageError
from dalsegno_storage.digest import digest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "in" / "data.txt"
    place.parent.mkdir()
    place.write_bytes(b"one\ntwo\n")
    return place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "tree"
    (place / "sub" / "deep").mkdir(parents=True)
    (place / "z.txt").write_bytes(b"z")
    (place / "sub" / "a.txt").write_bytes(b"a")
    (place / "sub" / "deep" / "b.bin").write_bytes(b"")
    (place / "sub-x").write_bytes(b"x")
    return place


def stored(encoded: Encoded) -> dict[bytes, bytes]:
    return {found: source.read() for found, source in encoded.blobs}


def test_a_file_on_disk(path: Path) -> None:
    file = File(str(path))
    assert (file.name, file.path, file.size) == ("data.txt", path, 8)
    assert file.digest == digest("blob", b"one\ntwo\n")
    assert file.read_text() == "one\ntwo\n"
    with file.open("r") as lines:
        assert list(lines) == ["one\n", "two\n"]
    with pytest.raises(UsageError, match="reading only"):
        file.open("w")
    path.write_bytes(b"three")
    assert file.digest == digest("blob", b"three")


def test_a_file_comes_back_without_being_read(path: Path) -> None:
    encoded = encode({"f": File(path)})
    assert not encoded.opaque
    contents = stored(encoded)
    assert contents == {File(path).digest: b"one\ntwo\n"}
    path.unlink()
    asked: list[bytes] = []

    def read_blob(wanted: bytes) -> bytes:
        asked.append(wanted)
        return contents[wanted]

    file = decode(encoded.data, read_blob=read_blob)["f"]
    assert (file.name, file.size, file.digest) == ("data.txt", 8, digest("blob", b"one\ntwo\n"))
    assert repr(file) == "File('data.txt')"
    assert asked == []
    assert file.read_bytes() == b"one\ntwo\n"
    with file.open("rt") as lines:
        assert list(lines) == ["one\n", "two\n"]
    with file.open() as content:
        assert content.read(3) == b"one"
    assert file.path.read_bytes() == b"one\ntwo\n"
    assert file.path is file.path
    assert file.path.name == "data.txt"
    assert file.path.parent.stat().st_mode & 0o077 == 0


def test_a_recorded_file_is_recorded_again_as_it_was(path: Path) -> None:
    encoded = encode(File(path))
    contents = stored(encoded)
    file = decode(encoded.data, read_blob=contents.__getitem__)
    again = encode(file)
    assert again.data == encoded.data
    assert stored(again) == contents


def test_name_and_content_are_the_value(path: Path, tmp_path: Path) -> None:
    twin = tmp_path / "data.txt"
    twin.write_bytes(path.read_bytes())
    twin.chmod(0o755)
    other = tmp_path / "other.txt"
    other.write_bytes(path.read_bytes())
    assert File(twin) == File(path)
    assert hash(File(twin)) == hash(File(path))
    assert encode(File(twin)).data == encode(File(path)).data
    assert File(other) != File(path)
    assert encode(File(other)).data != encode(File(path)).data
    twin.write_bytes(b"changed")
    assert File(twin) != File(path)


def test_a_file_that_changes_while_it_is_recorded(path: Path) -> None:
    encoded = encode(File(path))
    path.write_bytes(b"changed")
    with pytest.raises(EncodeError, match="data.txt was changed while it was being recorded"):
        encoded.blobs[0][1].read()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EncodeError, match="'gone.txt' cannot be recorded: .*No such file"):
        encode([File(tmp_path / "gone.txt")])
    with pytest.raises(EncodeError, match="'gone' cannot be recorded: .*not a directory"):
        encode(Dir(tmp_path / "gone"))


def test_without_a_store_a_file_can_be_looked_at_but_not_read(path: Path) -> None:
    file = decode(encode(File(path)).data)
    assert file.size == 8
    with pytest.raises(
        DecodeError, match="'data.txt' cannot be read, because the value was decoded without a store"
    ):
        file.read_bytes()


def test_download(path: Path, tmp_path: Path) -> None:
    file = File(path)
    assert file.download(tmp_path) == tmp_path / "data.txt"
    assert file.download(tmp_path / "copy") == tmp_path / "copy"
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "data.txt").read_bytes() == b"one\ntwo\n"
    assert file.download().read_bytes() == b"one\ntwo\n"
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(".")] == []


def test_copies_and_pickles_keep_the_content(path: Path, folder: Path) -> None:
    file, tree = File(path), Dir(folder)
    assert copy.deepcopy([file])[0] is file
    pickled = pickle.dumps([file, tree])
    path.unlink()
    found, found_tree = pickle.loads(pickled)
    assert found.read_bytes() == b"one\ntwo\n"
    assert found_tree == tree


def test_a_directory(folder: Path) -> None:
    paths = ["sub-x", "sub/a.txt", "sub/deep/b.bin", "z.txt"]
    assert [name for name, _ in Dir(folder).files()] == paths
    encoded = encode(Dir(folder))
    contents = stored(encoded)
    found = decode(encoded.data, read_blob=contents.__getitem__)
    assert encode(found).data == encoded.data
    assert found == Dir(folder)
    assert hash(found) == hash(Dir(folder))
    assert {name: file.read_bytes() for name, file in found.files()} == dict(
        zip(paths, [b"x", b"a", b"", b"z"], strict=True)
    )
    assert (found.path / "sub" / "deep" / "b.bin").read_bytes() == b""
    assert found.path.name == "tree"
    assert found.path is found.path


def test_a_directory_is_its_files(folder: Path, tmp_path: Path) -> None:
    data = encode(Dir(folder)).data
    (folder / "empty").mkdir()
    assert encode(Dir(folder)).data == data
    Dir(folder).download(tmp_path / "elsewhere" / "tree")
    assert encode(Dir(tmp_path / "elsewhere" / "tree")).data == data
    (folder / "z.txt").rename(folder / "y.txt")
    assert encode(Dir(folder)).data != data


def test_links_inside_are_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "z.txt")
    (folder / "links").symlink_to("sub")
    found = dict(Dir(folder).files())
    assert found["link"].read_bytes() == b"z"
    assert found["links/a.txt"].read_bytes() == b"a"


def test_links_that_leave_or_loop_are_refused(folder: Path, path: Path) -> None:
    link = folder / "out"
    for target, reason in (
        (path, "out of the directory"),
        (folder, "that holds it"),
        (folder / "no", "neither a file"),
    ):
        link.symlink_to(target)
        with pytest.raises(EncodeError, match=reason):
            encode(Dir(folder))
        link.unlink()


def test_special_files_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(EncodeError, match="pipe is neither a file nor a directory"):
        encode(Dir(folder))


def test_a_download_does_not_follow_links_out_of_its_target(folder: Path, tmp_path: Path) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "sub").symlink_to(outside)
    with pytest.raises(UsageError, match="outside"):
        Dir(folder).download(target)
    assert list(outside.iterdir()) == []


def test_what_was_laid_down_goes_with_the_process(path: Path) -> None:
    code = (
        "from dalsegno import File; from dalsegno.codec import decode, encode\n"
        f"e = encode(File({str(path)!r})); b = {{d: s.read() for d, s in e.blobs}}\n"
        "f = decode(e.data, read_blob=b.__getitem__); assert f.path.exists(); print(f.path)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("data.txt")
    assert not Path(done.stdout.strip()).parent.exists()
