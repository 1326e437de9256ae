"""The memory of a run with 100,000 actions: its peak above the idle process, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import Pairs, Row, Session, Target

MEGABYTE = 1_000_000
FULL = 100_000


def measure(session: Session) -> Iterator[Row]:
    """In turn, a thousand at once, and all at once. The limit goes with the number of actions."""
    n = session.scale.memory_actions
    limit = Target(150 * MEGABYTE * n / FULL)
    for task, how in (("chain", "in turn"), ("waves", "1,000 at once"), ("fan", "all at once")):
        own = session.told("peak", session.folder / f"memory-{task}.store", task, n)
        bare = [] if task == "chain" else [session.told("bare_peak", "", task, n)]
        yield Row(f"memory of {n:,} actions, {how}", Pairs([own], bare), "asyncio alone", limit, unit="B")
