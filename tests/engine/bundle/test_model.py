"""Bundles as data: digests, records, paths that are refused."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.bundle import Bundle, BundleFile
from dalsegno.bundle.model import path_problem
from dalsegno.errors import BundleLoadError
from dalsegno_storage.digest import digest


def file(path: str, data: bytes = b"x") -> BundleFile:
    return BundleFile(path, digest("blob", data), len(data))


NAMES = st.text("abcdefg_0123", min_size=1, max_size=6)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.lists(st.tuples(PATHS, st.binary(max_size=8)), max_size=6, unique_by=lambda item: item[0])


def test_names_and_content_do_not_run_into_each_other() -> None:
    assert Bundle((file("ab/c.py"),)).digest != Bundle((file("a/bc.py"),)).digest


@given(FILES, st.randoms())
def test_order_does_not_matter_and_everything_else_does(
    items: list[tuple[str, bytes]], random: "object"
) -> None:
    files = [file(path, data) for path, data in items]
    first = Bundle(tuple(files))
    assert Bundle(tuple(reversed(files))) == first
    for index, (path, data) in enumerate(items):
        other = [*files[:index], file(path, data + b"!"), *files[index + 1 :]]
        assert Bundle(tuple(other)).digest != first.digest
    assert Bundle((*files, file("more.py"))).digest != first.digest


@given(FILES)
def test_a_record_gives_the_bundle_back(items: list[tuple[str, bytes]]) -> None:
    files = tuple(file(path, data) for path, data in items)
    if path_problem([entry.path for entry in files]) is None:
        bundle = Bundle(files)
        for again in (Bundle.from_record(bundle.to_record()), Bundle.decode(bundle.encode())):
            assert again == bundle
            assert again.digest == bundle.digest


def test_the_encoding_is_as_described() -> None:
    """The example of a reader in another language."""
    bundle = Bundle((file("b.py"), file("a.py", b"")))
    listed = [["a.py", digest("blob", b""), 0], ["b.py", digest("blob", b"x"), 1]]
    assert msgpack.unpackb(bundle.encode()) == [1, listed]
    assert bundle.digest == digest("bundle", bundle.encode())


@pytest.mark.parametrize("content", [[2, []], [1], [1, [], []], [], {}, None])
def test_an_encoding_of_another_layout_is_refused(content: object) -> None:
    with pytest.raises(BundleLoadError, match="another layout than 1"):
        Bundle.decode(msgpack.packb(content))


def test_bytes_that_are_no_encoding_are_refused() -> None:
    with pytest.raises(BundleLoadError, match="cannot be read"):
        Bundle.decode(b"\xc1")


@pytest.mark.parametrize(
    "path",
    [
        "../x.py",
        "a/../../x.py",
        "/etc/passwd",
        "C:\\x.py",
        "C:x.py",
        "a\\..\\b.py",
        "a\0b.py",
        "a\nb.py",
        "./a.py",
        "a//b.py",
        "a/",
        "",
        ".",
        "a/b.",
        "a /b.py",
        ".git/config",
        "a/.GIT/hooks/x",
        "x" * 256,
        "/".join(["x" * 50] * 100),
        "a\udcff.py",
    ],
)
def test_a_path_that_could_escape_is_refused(path: str) -> None:
    with pytest.raises(BundleLoadError):
        Bundle.from_record([["ok.py", bytes(32), 0], [path, bytes(32), 0]])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.py", "a.py"),
        ("a.py", "A.py"),
        ("caf\u00e9.py", "cafe\u0301.py"),
        ("a", "a/b.py"),
        ("A/b/c.py", "a/B"),
    ],
)
def test_paths_that_meet_on_some_file_system_are_refused(one: str, other: str) -> None:
    with pytest.raises(BundleLoadError):
        Bundle.from_record([[one, bytes(32), 0], [other, bytes(32), 0]])


@pytest.mark.parametrize(
    "record",
    [
        None,
        "a.py",
        [[]],
        {},
        [["a.py", b"short", 0]],
        [["a.py", bytes(32), -1]],
        [["a.py", bytes(32)]],
        [[b"a.py", bytes(32), 0]],
        [[["a.py", bytes(32), 0]]],
    ],
)
def test_what_is_no_record_is_refused(record: object) -> None:
    with pytest.raises(BundleLoadError):
        Bundle.from_record(record)


def test_every_blob_is_named_once() -> None:
    bundle = Bundle((file("a.py"), file("b.py"), file("c.py", b"c")))
    assert bundle.blobs() == (digest("blob", b"x"), digest("blob", b"c"))
