"""A task whose calls and results are laid down from outside, so that two runs of the same code can differ at will."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from hypothesis import strategies as st

from dalsegno import TaskEnvironment

__all__ = ["Node", "follow", "node", "planned", "trees"]

env = TaskEnvironment("planned")


class Node(NamedTuple):
    """What a call returns, or fails with, and whom it calls, by name."""

    gives: Any = 0
    calls: tuple[str, ...] = ()
    fails: str = ""


PLAN: dict[str, Node] = {}


@env.task
async def node(name: str) -> Any:
    """Do what is planned."""
    return await follow(name)


async def follow(name: str) -> Any:
    """Make the planned calls, then give the planned value."""
    planned = PLAN.get(name, Node())
    for call in planned.calls:
        try:
            await node(call)
        except ValueError:
            continue
    if planned.fails:
        raise ValueError(planned.fails)
    return planned.gives


@contextmanager
def planned(plan: Mapping[str, Node]) -> Iterator[None]:
    """Have the task follow this plan for the block."""
    PLAN.clear()
    PLAN.update(plan)
    try:
        yield
    finally:
        PLAN.clear()


def trees() -> st.SearchStrategy[dict[str, Node]]:
    """Small plans from "a" down; names are called by earlier ones only, so that no call comes back to itself."""
    names = "abcdef"

    def one(place: int) -> st.SearchStrategy[Node]:
        later = st.lists(st.sampled_from(names[place + 1 :]), max_size=3) if place < 5 else st.just([])
        return st.builds(
            lambda gives, calls, fails: Node(gives, tuple(calls), fails),
            st.integers(0, 2),
            later,
            st.sampled_from(["", "", "", "broken"]),
        )

    return st.fixed_dictionaries({name: one(place) for place, name in enumerate(names)})
