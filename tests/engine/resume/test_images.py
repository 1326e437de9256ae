"""Random trees of calls, killed at any commit and resumed: nothing shows that but the attempts."""

from __future__ import annotations

import os
import random
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Stage
from hypothesis import strategies as st
from tests.engine.resume import trees
from tests.engine.resume.recorded import Imaging, ended, shape, store_of

from dalsegno import Engine
from dalsegno.maintenance import check
from dalsegno.models import Phase
from dalsegno.settings import Durability

LONG = os.environ.get("DALSEGNO_LONG") == "1"

LEAVES = st.builds(
    lambda kind, number: [kind, "turn", number, []],
    st.sampled_from(["async", "sync", "fails", "flaky", "traced"]),
    st.integers(0, 3),
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.builds(
        lambda kind, way, number, children: [kind, way, number, children],
        st.sampled_from(["async", "async", "sync", "fails", "flaky", "traced"]),
        st.sampled_from(["turn", "gather", "map", "group"]),
        st.integers(0, 3),
        st.lists(below, max_size=4),
    ),
    max_leaves=12,
)


@given(
    tree=TREES,
    seed=st.integers(0, 1000),
    durability=st.sampled_from(["full", "relaxed"]),
    backend=st.sampled_from(["asyncio"]),
)
@settings(
    max_examples=200 if LONG else 12,
    deadline=None,
    phases=[Stage.generate],  # a smaller example takes long to find, and the tree is easily read
    suppress_health_check=[HealthCheck.too_slow],
)
def test_a_run_that_was_killed_at_any_commit_ends_as_if_nothing_had_happened(
    tree: trees.Node, seed: int, durability: Durability, backend: str
) -> None:
    trees.PROBED.clear()
    trees.BEGUN.clear()
    store = Imaging()

    async def whole() -> tuple[int, int]:
        async with Engine(store, durability=durability) as engine:
            run = await engine.run(trees.node, tree)
            return await run.result.aio(), run.record.id

    result, run_id = anyio.run(whole, backend=backend)
    begun = [*trees.BEGUN]
    trees.BEGUN.clear()
    expected = shape_of(store, run_id)
    images = [image for image in store.images if is_running(image, run_id)]
    for image in images if LONG else random.Random(seed).sample(images, min(4, len(images))):
        left = store_of(image)
        done = ended(left, run_id)

        async def again(left: Any = left) -> int:
            async with Engine(left) as engine:
                [run] = await engine.resume_all()
                result: int = await run.result.aio()
                return result

        assert anyio.run(again, backend=backend) == result
        assert shape_of(left, run_id) == expected
        assert not done & set(trees.BEGUN)
        assert set(trees.BEGUN) | done >= set(begun)
        trees.BEGUN.clear()
        assert check(left).is_clean


def shape_of(store: Any, run_id: int) -> dict[str, tuple[object, ...]]:
    from dalsegno._ledger import Ledger

    return shape(Ledger(store).actions(run_id))


def is_running(image: dict[bytes, bytes], run_id: int) -> bool:
    from dalsegno._ledger import Ledger

    store = store_of(image)
    with store.read() as reader:
        if not any(True for _ in reader.scan(b"r", b"s")):
            return False
    return Ledger(store).run(run_id).phase is Phase.INTERRUPTED
