"""Logs that would be too long: the head and the last lines are kept, and what is between is counted."""

import re
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import Engine, TaskEnvironment
from dalsegno import _records as records
from dalsegno._logs import CHUNK_CHARS, LOG_LIMIT, ActionLog
from dalsegno._writer import Writer
from dalsegno.errors import ConfigError
from dalsegno_storage.memory import MemoryStore

Play = Callable[..., Any]
env = TaskEnvironment("log_limits")
LEFT_OUT = re.compile(r"… ([\d,]+) lines? \(([\d.]+ \w+)\) left out …\n")


def logged(
    pieces: list[tuple[str, str]], limit: int, redact: Callable[[str], str] = str, attempts: int = 1
) -> list[Any]:
    """What is stored of these pieces of text by stream: (stream, text, attempt) in order."""
    with closing(MemoryStore()) as store:
        writer = Writer(store)
        log = ActionLog(writer, 1, 0, redact, limit)
        for attempt in range(1, attempts + 1):
            for stream, text in pieces:
                log.add(stream, text, attempt)
        log.close()
        writer.close()
        with store.read() as reader:
            found = [records.unpack_log(value) for _, value in reader.scan()]
    return [(stream, text, attempt) for stream, _, text, attempt in found]


def joined(found: list[Any], stream: str = "stdout") -> str:
    return "".join(text for own, text, _ in found if own == stream)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr", "log"]), st.text(st.sampled_from("ab é\n\r"), max_size=30)
        )
    )
)
def test_a_log_within_its_limit_is_kept_whole(pieces: list[tuple[str, str]]) -> None:
    found = logged(pieces, LOG_LIMIT)
    for stream in ("stdout", "stderr", "log"):
        assert joined(found, stream) == "".join(text for own, text in pieces if own == stream)


@given(st.lists(st.integers(0, 300), max_size=200), st.integers(500, 5000))
def test_no_line_is_lost_uncounted(lengths: list[int], limit: int) -> None:
    lines = [f"{number:03} " + "x" * length + "\n" for number, length in enumerate(lengths)]
    found = joined(logged([("stdout", line) for line in lines], limit))
    told = LEFT_OUT.search(found)
    if told is None:
        assert found == "".join(lines)
        return
    head, tail = found[: told.start()], found[told.end() :]
    assert "".join(lines).startswith(head)
    assert "".join(lines).endswith(tail)
    assert head.count("\n") + tail.count("\n") + int(told[1].replace(",", "")) == len(lines)
    assert len(head) + len(tail) <= limit
    assert not tail or tail.endswith(lines[-1][-len(tail) :])


def test_the_last_lines_of_each_stream_and_attempt_are_kept() -> None:
    flood = [("stdout", f"line {number}\n") for number in range(20_000)]
    found = logged([*flood, ("stderr", "what went wrong\n"), *flood], 16 << 10, attempts=2)
    for attempt in (1, 2):
        own = [(stream, text) for stream, text, number in found if number == attempt]
        assert ("stderr", "what went wrong\n") in own
        tail = own[-1][1] if own[-1][0] == "stdout" else own[-2][1]
        assert LEFT_OUT.match(tail)
        assert tail.endswith("line 19998\nline 19999\n")
    assert sum(len(text) for _, text, _ in found) < 24 << 10


def test_a_line_without_end_is_cut_and_counted() -> None:
    found = joined(logged([("stdout", "é" * 5_000_000), ("stdout", "end\n")], 100_000))
    told = LEFT_OUT.search(found)
    assert told is not None
    assert told[2] in ("9.9 MB", "10.0 MB")
    assert found.endswith("éend\n")
    assert len(found.encode()) <= 101_000


@pytest.mark.parametrize("limit", [0, 1, 7, 8])
def test_nothing_but_the_count_is_kept_where_there_is_no_room(limit: int) -> None:
    found = joined(logged([("stdout", "line\n")] * 100, limit))
    assert LEFT_OUT.search(found)
    assert len(found) < 60


def test_a_secret_that_is_printed_in_pieces_is_seen_whole() -> None:
    def redact(text: str) -> str:
        return text.replace("hunter2", "***")

    pieces = [("stdout", "a hun"), ("stderr", "oops\n"), ("stdout", "ter2\n"), ("stdout", "x" * CHUNK_CHARS)]
    pieces += [("stdout", "hunt"), ("stdout", "er2")]
    found = logged(pieces, LOG_LIMIT, redact)
    assert joined(found) == "a ***\n" + "x" * CHUNK_CHARS + "***"
    assert joined(found, "stderr") == "oops\n"


@given(st.integers(0, 9000), st.integers(0, 7), st.integers(2000, 9000))
def test_no_secret_is_cut_at_the_edge_of_what_is_kept(before: int, split: int, limit: int) -> None:
    secret = "hunter2"
    pieces = [
        ("stdout", "x" * before),
        ("stdout", secret[:split]),
        ("stdout", secret[split:]),
        ("stdout", "y" * 9000),
    ]
    found = joined(logged(pieces, limit, lambda text: text.replace(secret, "***")))
    assert not any(part in found for part in ("hun", "nte", "er2"))


def test_a_flood_takes_no_memory_and_few_records() -> None:
    with closing(MemoryStore()) as store:
        writer = Writer(store)
        log = ActionLog(writer, 1, 0, str)
        for _ in range(15_000):
            log.add("stdout", "x" * 99 + "\n")
        tracemalloc.start()
        try:
            for _ in range(40_000):
                log.add("stdout", "x" * 99 + "\n")
            log.add("stdout", "y" * (8 << 20))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        log.close()
        writer.close()
        assert peak < (8 << 20) + (3 << 20)
        with store.read() as reader:
            sizes = [len(value) for _, value in reader.scan()]
    assert sum(sizes) < LOG_LIMIT
    assert len(sizes) < 100


@env.task
def floods(stop: int) -> str:
    while not over.is_set():
        print("x" * 1000)
    return "over"


@env.task
async def quick(x: int) -> int:
    print(x)
    return x


@env.task
async def beside_a_flood() -> float:
    import anyio

    times = []
    async with anyio.create_task_group() as group:
        group.start_soon(floods.aio, 1)
        for number in range(100):
            start = time.perf_counter()
            await quick(number)
            times.append(time.perf_counter() - start)
        over.set()
    return sorted(times)[len(times) // 2]


over = threading.Event()


class _Sink:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


def test_other_actions_go_on_beside_a_flood(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(engine: Engine) -> None:
        over.clear()
        run = await engine.run(beside_a_flood)
        assert await run.result.aio() < 0.2
        flood = next(action for action in run.actions() if action.name.startswith("floods"))
        size = sum(len(line.text) for line in flood.logs())
        assert size <= 64 << 10
        others = [action for action in run.actions() if action.name.startswith("quick")]
        assert [text for action in others for text in [line.text for line in action.logs()]] == [
            f"{n}\n" for n in range(100)
        ]

    monkeypatch.setattr(sys, "stdout", _Sink())
    play(story, log_limit=64 << 10)


@pytest.mark.parametrize("wrong", [-1, True, "1 MB", 1.5])
def test_a_limit_that_cannot_be_meant_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="log_limit"):
        Engine("memory:", log_limit=wrong)
