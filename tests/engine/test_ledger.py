"""The ledger: whole completions, no record without its objects, and ends that stay."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import anyio
import pytest

from dalsegno import Engine, Phase, TaskEnvironment
from dalsegno import _records as records
from dalsegno._ledger import Ledger
from dalsegno._puts import End, Kept, Put
from dalsegno._values import INLINE, encode_named, parts_of
from dalsegno.codec import encode
from dalsegno.errors import RunExistsError
from dalsegno.models import ActionRecord, Failure, Ref, RunRecord
from dalsegno_storage.digest import digest
from dalsegno_storage.errors import DamagedObjectError, ObjectNotFoundError
from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.objects import has_object, object_key

Play = Callable[..., Any]
env = TaskEnvironment("ledger")


def a_run(name: str = "r") -> RunRecord:
    zero = bytes(32)
    return RunRecord(0, "p", "d", name, "e.t", zero, zero, zero, zero, Phase.RUNNING, 5, labels={"a": "b"})


def root_of(run: RunRecord) -> ActionRecord:
    zero = bytes(16)
    return ActionRecord(
        run.id, 0, None, "t", zero, zero, "", bytes(32), b"\x80", Phase.RUNNING, 1, run.started_at
    )


class Running(NamedTuple):
    """An action that runs."""

    record: ActionRecord
    puts: tuple[Put, ...] = ()
    kept: Kept | None = None


def ended(action: ActionRecord, phase: Phase = Phase.SUCCEEDED, **changes: Any) -> ActionRecord:
    return action._replace(phase=phase, ended_at=9, **changes)


@pytest.fixture
def ledger(store: MemoryStore) -> Iterator[Ledger]:
    opened = Ledger(store)
    yield opened
    opened.close()


def test_a_run_is_created_whole_or_not_at_all(ledger: Ledger, content: Any, backend: str) -> None:
    async def main() -> None:
        run, root = await ledger.create(a_run(), root_of, [])
        assert ledger.find_run("p", "d", "r") == ledger.run(run.id) == run
        assert ledger.root(run.id) == root
        before = content()
        with pytest.raises(RunExistsError):
            await ledger.create(a_run(), root_of, [Put(b"x", [(b"x", b"y")], list)])
        assert content() == before

    anyio.run(main, backend=backend)


def test_ids_grow_even_when_the_clock_stands_behind(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("dalsegno._ledger.randbelow", lambda _: 0)
        ids = []
        for number, clock in enumerate([1000, 1000, 3, 2000, 5]):
            monkeypatch.setattr("dalsegno._ledger.time.time_ns", lambda clock=clock: clock)
            run, _ = await ledger.create(a_run(f"r{number}"), root_of, [])
            ids.append(run.id)
        assert ids == [1000, 1001, 1002, 2000, 2001]

    anyio.run(main)


def test_an_end_is_recorded_once_and_stays(ledger: Ledger) -> None:
    async def main() -> None:
        run, root = await ledger.create(a_run(), root_of, [])
        first = await ledger.end(run, End(ended(root, outputs=b"\x80")))
        assert (first.phase, first.ended_at) == (Phase.SUCCEEDED, 9)
        late = ended(root, Phase.FAILED, failure=Failure("builtins:ValueError", "late", ""))
        assert await ledger.end(run, End(late)) == first
        assert ledger.run(run.id) == first
        assert ledger.root(run.id) == ended(root, outputs=b"\x80")

    anyio.run(main)


def test_an_end_moves_the_run_in_the_index_of_phases(ledger: Ledger, store: MemoryStore) -> None:
    def listed(phase: str) -> list[int]:
        with store.read() as reader:
            return [records.run_id_of(key) for key, _ in reader.scan(*records.index_range("phase", phase))]

    async def main() -> None:
        run, root = await ledger.create(a_run(), root_of, [])
        assert (listed("running"), listed("succeeded")) == ([run.id], [])
        await ledger.end(run, End(ended(root, outputs=b"\x80")))
        assert (listed("running"), listed("succeeded")) == ([], [run.id])

    anyio.run(main)


def test_a_completion_is_recorded_once_and_stays(ledger: Ledger) -> None:
    async def main() -> None:
        _, root = await ledger.create(a_run(), root_of, [])
        child = root._replace(seq=1, parent=0)
        first = ended(child, outputs=b"\x80")
        ledger.began_soon(Running(child))
        await ledger.complete(End(first))
        await ledger.complete(End(ended(child, Phase.FAILED)))
        ledger.complete_blocking(End(ended(child, Phase.ABORTED), durable=False))
        ledger.close()
        assert [action.phase for action in ledger.actions(root.run_id)] == [Phase.RUNNING, Phase.SUCCEEDED]
        assert ledger.action_by_seq(root.run_id, 1).outputs == b"\x80"

    anyio.run(main)


def test_what_has_begun_is_on_disk_before_long(ledger: Ledger) -> None:
    async def main() -> None:
        _, root = await ledger.create(a_run(), root_of, [])
        child = root._replace(seq=1, parent=0)
        ledger.began_soon(Running(child))
        ledger.close()
        assert ledger.action_by_seq(root.run_id, 1).phase is Phase.RUNNING

    anyio.run(main)


def test_values_live_in_the_record_up_to_the_limit_and_are_objects_above(ledger: Ledger) -> None:
    small, large = "s" * (INLINE - 3), "l" * (INLINE - 2)  # two or three bytes say how long a text is
    encoded = encode_named([("small", small), ("large", large)])
    data = encode(large).data
    assert encoded.values == {"small": encode(small).data, "large": Ref(digest("value", data), INLINE + 1)}
    anyio.run(ledger.store, ledger.objects(encoded))
    assert ledger.named(encoded.values) == {"small": encode(small).data, "large": data}
    assert [put.pairs for put in ledger.objects(encoded)] == [()]  # it is there
    assert isinstance(encode_named([("small", small)]).values, bytes)


def test_large_objects_are_stored_in_transactions_of_bounded_size() -> None:
    class Measuring(MemoryStore):
        largest = 0

        @contextmanager
        def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
            with super().write() as transaction:
                yield transaction
                size = sum(len(data or b"") for data in transaction._changes.values())
                self.largest = max(self.largest, size)

    store = Measuring()
    ledger = Ledger(store)
    data = random.Random(0).randbytes(20 << 20)
    name, put = ledger.prepare("value", data)
    anyio.run(ledger.store, [put])
    assert ledger.get("value", name) == data
    assert 1 << 20 < store.largest <= 5 << 20
    assert ledger.writer.commits >= 4
    ledger.close()


def test_a_damaged_or_missing_object_is_named(ledger: Ledger, store: MemoryStore) -> None:
    name, put = ledger.prepare("value", b"v" * 1000)
    with pytest.raises(ObjectNotFoundError, match=name.hex()):
        ledger.get("value", name)
    anyio.run(ledger.store, [put])
    assert ledger.get("value", name) == b"v" * 1000
    with store.write() as transaction:
        data = transaction.get(object_key(name))
        assert data is not None
        transaction.put(object_key(name), data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DamagedObjectError, match=name.hex()):
        ledger.get("value", name)


class Suspicious(MemoryStore):
    """After every commit, looks at every record of an action: whether what it refers to is there."""

    def __init__(self) -> None:
        super().__init__()
        self.missing: list[str] = []
        self.looked = 0

    @contextmanager
    def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
        with super().write() as transaction:
            yield transaction
            changed = set(transaction._changes)
        with self.read() as reader:
            for key in changed:
                if key.startswith(records.ACTIONS[0]):
                    data = reader.get(key)
                    assert data is not None
                    record = records.unpack_action(int.from_bytes(key[1:9], "big"), records.seq_of(key), data)
                    references = [record.template]
                    references += [
                        part.digest
                        for values in (record.inputs, record.outputs)
                        if values is not None
                        for part in parts_of(values).values()
                        if isinstance(part, Ref)
                    ]
                    self.missing += [name.hex() for name in references if not has_object(reader, name)]
                    self.looked += len(references)


@env.task
async def leaf(data: bytes, number: int) -> bytes:
    return data + bytes([number])


@env.task
def in_a_thread(data: bytes) -> bytes:
    return leaf_in_the_thread(data, 9)


@env.task
def leaf_in_the_thread(data: bytes, number: int) -> bytes:
    return data * number


@env.task
async def work(data: bytes) -> int:
    results = [b""] * 20

    async def one(number: int) -> None:
        results[number] = await leaf(data * number, number)

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, number)
    return sum(map(len, results)) + len(await in_a_thread.aio(data))


@pytest.mark.parametrize("durability", ["full", "relaxed"])
@pytest.mark.parametrize("size", [1, 100, 50_000])
def test_no_record_ever_refers_to_a_missing_object(backend: str, durability: Any, size: int) -> None:
    store = Suspicious()

    async def main() -> None:
        async with Engine(store, durability=durability) as engine:
            run = await engine.run(work, b"x" * size)
            assert await run.result.aio() == size * (190 + 9) + 20
            again = await engine.rerun(run.name, data=b"y" * size)
            await again.wait.aio()

    anyio.run(main, backend=backend)
    assert store.missing == []
    assert store.looked > 44


def test_a_run_whose_end_cannot_be_written_says_so(backend: str) -> None:
    class Breaking(MemoryStore):
        broken = False

        @contextmanager
        def write(self) -> Iterator[Any]:  # type: ignore[override]  # any context manager will do
            with super().write() as transaction:
                yield transaction
                if self.broken:
                    raise OSError("no space left")

    store = Breaking()

    async def main() -> None:
        async with Engine(store) as engine:
            gate[0] = anyio.Event()
            run = await engine.run(holds)
            store.broken = True
            gate[0].set()
            with pytest.raises(OSError, match="no space left"):
                await run.wait.aio()
            store.broken = False

    anyio.run(main, backend=backend)


gate: dict[int, anyio.Event] = {}


@env.task
async def holds() -> None:
    await gate[0].wait()
