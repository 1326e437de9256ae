"""A thousand flipped bits: each is found by the check, and none is ever given out as another value.

`DALSEGNO_FLIPS` is how many, for a longer run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from tests.engine.maintenance.building import content

from dalsegno import Cache, Engine, File, TaskEnvironment
from dalsegno.errors import DalsegnoError, StoreError
from dalsegno.maintenance import check, delete_run, gc, pin
from dalsegno_storage.memory import MemoryStore

FLIPS = int(os.environ.get("DALSEGNO_FLIPS", "1000"))

env = TaskEnvironment("flips", cache=Cache("auto"))


@env.task
async def part(text: str, number: int) -> str:
    print("part", number)
    return text + str(number)


@env.task
async def fails(number: int) -> None:
    raise ValueError(number)


@env.task
async def whole(text: str, file: File) -> tuple[int, bytes]:
    done = [await part(text * 300, number) for number in range(3)]
    try:
        await fails(1)
    except ValueError:
        done.append("failed")
    return sum(map(len, done)), file.read_bytes()


@pytest.fixture
def filled(tmp_path: Any, store: MemoryStore) -> MemoryStore:
    """A store with records of every kind."""
    (tmp_path / "file").write_bytes(b"content " * 90)

    async def main() -> None:
        async with Engine(store) as engine:
            labelled = engine.with_runcontext(name="first", labels={"k": "v"})
            run = await labelled.run(whole, "a", File(tmp_path / "file"))
            await run.wait.aio()
            again = await engine.with_runcontext(name="third").rerun("first", recover=True, text="d")
            await again.wait.aio()
            gone = await engine.run(part, "e" * 1000, 1)
            await gone.wait.aio()
            delete_run(store, gone.name)

    anyio.run(main)
    gc(store, grace=0)
    pin(store, "first", note="kept")
    return store


def seen(store: MemoryStore) -> dict[str, Any]:
    """Everything that a user can read of each run, or the error that it gives."""

    async def main() -> dict[str, Any]:
        async with Engine(store) as engine:
            looks: dict[str, Callable[[], Any]] = {
                "runs": lambda: sorted(run.name for run in engine.list_runs())
            }
            for name in ("first", "third"):
                looks |= looks_at(engine, name)
            return {what: or_error(look) for what, look in looks.items()}

    return anyio.run(main)


def looks_at(engine: Engine, name: str) -> dict[str, Callable[[], Any]]:
    def run() -> Any:
        return engine.get_run(name)

    return {
        name: lambda: (run().phase, run().labels, run().relation),
        f"{name} actions": lambda: engine.ledger.actions(run().record.id),
        f"{name} log": lambda: engine.ledger.log_lines(run().record.id),
        f"{name} outputs": lambda: run().outputs(),
        f"{name} inputs": lambda: run().inputs()["text"],
    }


def or_error(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except DalsegnoError as error:
        return error


def test_every_flipped_bit_is_found_and_none_is_given_out(filled: MemoryStore) -> None:
    assert check(filled).problems == ()
    right = seen(filled)
    assert not [error for error in right.values() if isinstance(error, Exception)]
    pairs = [(key, data) for key, data in content(filled).items() if data]
    tables = {key[:1] for key, _ in pairs}
    assert tables >= {b"r", b"n", b"z", b"l", b"c", b"d", b"p", b"g", b"\x02"}
    chance = random.Random(7)
    unnoticed, wrong = [], []
    for number in range(FLIPS):
        table = chance.choice(sorted(tables))
        key, data = chance.choice([pair for pair in pairs if pair[0][:1] == table])
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        put(filled, key, bytes(flipped))
        try:
            clean = check(filled).is_clean
        except StoreError:
            clean = False
        if clean and seen(filled) != right:  # a decompressor overlooks bits that mean nothing
            unnoticed.append((key, bytes(flipped)))
        if number % 25 == 0:
            for what, value in seen(filled).items():
                if value != right[what] and not isinstance(value, StoreError):
                    wrong.append((key, what, value))
        put(filled, key, data)
    assert unnoticed == []
    assert wrong == []
    assert check(filled).problems == ()


def put(store: MemoryStore, key: bytes, data: bytes) -> None:
    with store.write() as writer:
        writer.put(key, data)


@pytest.mark.parametrize("table", [b"r", b"z", b"l", b"n", b"p", b"o"])
def test_the_run_that_a_flipped_bit_touches_is_named(filled: MemoryStore, table: bytes) -> None:
    key = next(key for key in content(filled) if key[:1] == table)
    data = content(filled)[key]
    put(filled, key, bytes([data[0] ^ 1]) + data[1:])
    found = check(filled).problems
    assert {run for each in found for run in each.runs} == {"default/development/first"}


@pytest.mark.parametrize("table", [b"c", b"d"])
def test_what_can_be_made_again_is_taken_away(filled: MemoryStore, table: bytes) -> None:
    key = next(key for key in content(filled) if key[:1] == table)
    data = content(filled)[key]
    put(filled, key, data[:-1] + bytes([data[-1] ^ 1]))
    assert not check(filled).is_clean
    gc(filled, grace=0)
    assert check(filled).is_clean


def test_a_run_whose_record_is_damaged_can_be_removed(filled: MemoryStore) -> None:
    key = next(key for key in content(filled) if key[:1] == b"r")
    put(filled, key, b"\0" * 30)
    with pytest.raises(StoreError, match=r"a record \(run\) is damaged"):
        delete_run(filled, "first")
    delete_run(filled, "first", force=True)
    assert check(filled).problems == ()
    gc(filled, grace=0)
    assert check(filled).problems == ()
