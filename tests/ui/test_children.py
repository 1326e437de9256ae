"""What an action called, page by page, while the run goes on."""

from itertools import count
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.models import Phase
from dalsegno.ui._children import Children
from dalsegno.ui._store import Reader

from .recorded import reader, small

__all__ = ["reader", "small"]


@pytest.fixture
def read(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs of which every action was read."""
    seen = list[int]()
    whole = reader._ledger.actions

    def actions(run_id: int) -> Any:
        seen.append(run_id)
        return whole(run_id)

    monkeypatch.setattr(reader._ledger, "actions", actions)
    return seen


def test_a_page_reads_a_running_run_once(reader: Reader, read: list[int]) -> None:
    run, root = reader._action("first", "a0", None, None)
    running = run._replace(phase=Phase.RUNNING, ended_at=None)
    children = Children(reader._ledger, count().__next__)  # something is recorded all the time
    assert len(children.view(running, root)["actions"]) == 2
    assert read == [run.id]
    children.view(running, root)
    assert read == [run.id] * 2


def test_a_run_that_has_ended_is_read_once_for_all(reader: Reader, read: list[int]) -> None:
    run, root = reader._action("first", "a0", None, None)
    children = Children(reader._ledger, count().__next__)
    assert children.view(run, root) == children.view(run, root)
    assert children.child(run, root)["children"] == 2
    assert read == [run.id]
