"""What refers to what, found without decoding anything."""

import ast
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.maintenance.building import content, file_with

import dalsegno
from dalsegno import Engine, TaskEnvironment
from dalsegno._references import REFERRING, TABLES, Reference, of_object, of_value, of_values
from dalsegno.bundle import Bundle, BundleFile
from dalsegno.codec import encode, join_map
from dalsegno.errors import BundleLoadError, DecodeError
from dalsegno.files import Dir
from dalsegno.maintenance import pin
from dalsegno.models import Ref
from dalsegno_storage.check import OBJECTS
from dalsegno_storage.digest import digest
from dalsegno_storage.memory import MemoryStore


@dataclass
class Holder:
    inner: Any
    other: int = 0


class Pair(NamedTuple):
    left: Any
    right: Any


class Box(list[Any]):
    pass


ONE, TWO = file_with(b"one"), file_with(b"two")
BLOB_ONE = Reference("blob", digest("blob", b"one"))
BLOB_TWO = Reference("blob", digest("blob", b"two"))

leaves = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers() | st.dates()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.tuples(st.integers()), inner)
        | inner.map(Holder)
        | st.tuples(inner, inner).map(lambda both: Pair(*both))
        | st.lists(inner).map(Box)
        | st.lists(inner).map(deque)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
        | inner.map(lambda value: slice(None, 1, value))
    ),
)


@given(values)
def test_a_value_without_files_refers_to_nothing(value: Any) -> None:
    assert list(of_value(encode(value).data)) == []


@given(values, st.sampled_from([Holder, Box, deque, tuple, lambda items: {"k": items, ("t",): 1}]))
def test_a_file_is_found_wherever_it_lies(value: Any, wrap: Any) -> None:
    found = set(of_value(encode(wrap([value, [ONE], {"f": Pair(TWO, value)}])).data))
    assert found == {BLOB_ONE, BLOB_TWO}


def test_a_file_and_a_directory_alone() -> None:
    assert list(of_value(encode(ONE).data)) == [BLOB_ONE]
    folder = Dir._recorded("d", {"a": ONE, "b/c": TWO})
    assert list(of_value(encode(folder).data)) == [BLOB_ONE, BLOB_TWO]


def test_a_file_in_an_array_of_objects() -> None:
    assert set(of_value(encode(np.array([1, ONE, [TWO]], dtype=object)).data)) == {BLOB_ONE, BLOB_TWO}


def test_raw_bytes_that_look_like_a_file_are_none() -> None:
    assert list(of_value(encode([encode(ONE).data, bytearray(encode(ONE).data)]).data)) == []


def test_named_values() -> None:
    large = Ref(bytes(32), 600)
    assert list(of_values(join_map({"a": encode(ONE).data}))) == [BLOB_ONE]
    assert list(of_values({"a": encode(TWO).data, "b": large})) == [BLOB_TWO, Reference("value", bytes(32))]


def test_objects() -> None:
    bundle = Bundle((BundleFile("a.py", BLOB_ONE.digest, 3), BundleFile("b.py", BLOB_TWO.digest, 3)))
    assert list(of_object("bundle", bundle.encode())) == [BLOB_ONE, BLOB_TWO]
    assert list(of_object("blob", b"\xc1")) == list(of_object("closure", b"")) == []
    assert set(REFERRING) == {"template", "bundle", "value"}


@pytest.mark.parametrize("kind", REFERRING)
@given(data=st.binary(max_size=60))
def test_what_cannot_be_read_is_an_error_of_ours(kind: str, data: bytes) -> None:
    with suppress(DecodeError, BundleLoadError):
        assert all(each.kind == "blob" for each in of_object(kind, data))


def letters(code: str) -> set[int]:
    """The first bytes of keys that a module makes: `b"x" + …`, and constants of one letter."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case (
                ast.BinOp(left=ast.Constant(value=bytes(letter)))
                | ast.Assign(value=ast.Constant(value=bytes(letter)))
                | ast.AnnAssign(value=ast.Constant(value=bytes(letter)))
                | ast.Assign(value=ast.Tuple(elts=[ast.Constant(value=bytes(letter)), *_]))
            ) if len(letter) == 1 and letter.islower():
                found.add(letter[0])
    return found


def test_the_letters_of_a_module_are_found() -> None:
    code = 'A = b"q"\nB: bytes = b"w"\nC = (b"e", b"f")\ndef key(n): return b"r" + n\nX = b"\\0" + b"tt"'
    assert letters(code) == set(b"qwer")


def test_every_kind_of_record_is_known_where_references_are_followed() -> None:
    """Whoever adds a kind has to say what it refers to: otherwise a collection would remove that."""
    folder = Path(dalsegno.__file__).parent
    made = {path.name: letters(path.read_text()) for path in folder.glob("*.py")}
    assert set().union(*made.values()) == TABLES
    assert letters((folder / "_records.py").read_text()) >= set(b"rznlcdi")


def test_what_an_engine_writes_is_known(store: MemoryStore) -> None:
    async def main() -> None:
        async with Engine(store) as engine:
            run = await engine.run(says, "x" * 1000)
            await run.wait.aio()
            await (await engine.rerun(run.name, recover=True, text="y")).wait.aio()

    anyio.run(main)
    pin(store, next(iter(listed(store))))
    tables = {key[0] for key in content(store)}
    assert tables - {OBJECTS[0][0]} <= TABLES
    assert set(b"rznlidp") <= tables


env = TaskEnvironment("says")


@env.task
async def says(text: str) -> str:
    print(text)
    return text


def listed(store: MemoryStore) -> list[str]:
    with store.read() as reader:
        return [key.rpartition(b"\0")[2].decode() for key, _ in reader.scan(b"n", b"o")]
