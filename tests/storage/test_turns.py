"""Threads get their turn in the order in which they asked for it."""

import os
import threading
from collections import deque

import pytest

from dalsegno_storage._turns import ForkGuard, Turns
from dalsegno_storage.errors import StoreBusyError, StoreForkedError
from dalsegno_storage.testing import in_a_forked_child

DEADLINE = 30.0


class Watched(deque[tuple[int, object]]):
    """A queue that says when somebody has joined it."""

    def __init__(self) -> None:
        super().__init__()
        self.joined = threading.Semaphore(0)

    def append(self, place: tuple[int, object]) -> None:
        super().append(place)
        self.joined.release()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched()
    monkeypatch.setattr("dalsegno_storage._turns.deque", lambda: watched)
    return watched


def test_first_come_first_served(queue: Watched) -> None:
    turns = Turns("store")
    order: list[int] = []

    def work(number: int) -> None:
        turns.take(DEADLINE)
        order.append(number)
        turns.give()

    turns.take(0)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
        assert queue.joined.acquire(timeout=DEADLINE)
    turns.give()
    # This thread asks again at once and still comes last.
    turns.take(DEADLINE)
    assert order == list(range(8))
    turns.give()
    for thread in threads:
        thread.join()


def test_who_gives_up_leaves_the_queue(queue: Watched) -> None:
    turns = Turns("store")
    errors: list[StoreBusyError] = []

    def work() -> None:
        with pytest.raises(StoreBusyError, match="another thread of this process") as caught:
            turns.take(0.01)
        errors.append(caught.value)

    turns.take(0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [error.pid for error in errors] == [os.getpid()]
    assert not queue
    turns.give()
    turns.take(0)
    turns.give()


def test_a_second_turn_is_refused_at_once() -> None:
    turns = Turns("store")
    turns.take(0)
    with pytest.raises(StoreBusyError, match="an outer `write"):
        turns.take(DEADLINE)
    turns.give()
    turns.take(0)


def test_a_fork_is_noticed_with_and_without_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = ForkGuard("store")
    guard.check()

    def child() -> None:
        assert guard.foreign
        with pytest.raises(StoreForkedError):
            guard.check()
        ForkGuard("store").check()

    assert in_a_forked_child(child) == 0
    assert not guard.foreign
    # A child that a C library forked has run no hook.
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with pytest.raises(StoreForkedError):
        guard.check()
    assert guard.foreign
