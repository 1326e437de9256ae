"""The rows of a tree: folding, windows, the time axis, and what was taken over."""

from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.ui.pages._tree import Forest
from dalsegno.views import ActionView


def action(name: str, start: float, seconds: float | None, **more: Any) -> ActionView:
    found: dict[str, Any] = {
        "run": "r",
        "name": name,
        "task": f"shop.{name.partition('-')[0]}",
        "kind": "task",
        "phase": "succeeded" if seconds is not None else "running",
        "parent": None,
        "key": "00",
        "attempts": 1,
        "group": "",
        "started_at": f"2026-01-01T00:00:{start:09.6f}Z",
        "ended_at": None if seconds is None else f"2026-01-01T00:00:{start + seconds:09.6f}Z",
        "duration_s": seconds,
        "inputs_digest": "",
        "outputs_digest": None,
        "error": None,
        "code_digest": "",
        "origin": None,
        **more,
    }
    return found  # type: ignore[return-value]  # a typed dict made of parts


def small() -> Forest:
    return Forest(
        [
            (None, action("a0", 0, 8)),
            (0, action("load-aaaa", 0, 4, attempts=2)),
            (1, action("read-bbbb", 1, 2, group="parts")),
            (0, action("clean-cccc", 4, 4, phase="failed")),
        ]
    )


def seen(forest: Forest, selected: str | None = None) -> list[tuple[str, int, Any]]:
    return [(row["id"], row["depth"], row["open"]) for row in forest.seen(0, 100, selected)["rows"]]


def test_a_small_tree_is_unfolded_whole() -> None:
    assert seen(small()) == [
        ("a0", 0, True),
        ("load-aaaa", 1, True),
        ("read-bbbb", 2, None),
        ("clean-cccc", 1, None),
    ]


def test_folding() -> None:
    forest = small()
    forest.fold("load-aaaa")
    assert seen(forest) == [("a0", 0, True), ("load-aaaa", 1, False), ("clean-cccc", 1, None)]
    assert forest.place("read-bbbb") == -1
    forest.fold("clean-cccc")  # has nothing below it
    forest.reveal("read-bbbb")
    assert forest.place("read-bbbb") == 2


def test_bars_lie_on_one_axis() -> None:
    rows = {row["id"]: row for row in small().seen(0, 100, None)["rows"]}
    assert {name: (row["from"], row["part"]) for name, row in rows.items()} == {
        "a0": (0.0, 1.0),
        "load-aaaa": (0.0, 0.5),
        "read-bbbb": (0.125, 0.25),
        "clean-cccc": (0.5, 0.5),
    }
    assert [text for _, text in small().seen(0, 1, None)["ticks"]] == [
        "0",
        "2.00 s",
        "4.00 s",
        "6.00 s",
        "8.00 s",
    ]


def test_marks_say_in_words_what_is_special() -> None:
    rows = {row["id"]: [mark[0] for mark in row["marks"]] for row in small().seen(0, 100, None)["rows"]}
    assert rows == {
        "a0": [],
        "load-aaaa": ["2 attempts"],
        "read-bbbb": ["parts"],
        "clean-cccc": ["failed"],
    }


def test_of_a_large_tree_only_a_window_is_given() -> None:
    many = [(None, action("a0", 0, 30)), *((0, action(f"square-{n:08}", 1, 1)) for n in range(10_000))]
    forest = Forest(many)
    window = forest.seen(9_000, 9_040, "square-00009000")
    assert window["total"] == 10_001
    assert [row["index"] for row in window["rows"]] == list(range(9_000, 9_040))
    assert window["place"] == 9_001
    assert forest.seen(20_000, 20_040, None)["rows"] == []
    forest.fold("a0")
    assert forest.seen(0, 40, None)["total"] == 1


def test_what_was_unfolded_stays_so_when_more_is_recorded() -> None:
    forest = small()
    forest.fold("load-aaaa")
    forest.load(
        [
            (None, action("a0", 0, None)),
            (0, action("load-aaaa", 0, 4)),
            (1, action("read-bbbb", 1, 2)),
            (0, action("late-dddd", 9, None)),
        ]
    )
    forest.arrange()
    assert seen(forest) == [("a0", 0, True), ("load-aaaa", 1, False), ("late-dddd", 1, None)]
    assert forest.live


def test_what_gets_calls_while_it_is_looked_at_is_unfolded() -> None:
    forest = Forest([(None, action("a0", 0, None))])
    forest.load([(None, action("a0", 0, None)), (0, action("load-aaaa", 1, None))])
    forest.arrange()
    assert seen(forest) == [("a0", 0, True), ("load-aaaa", 1, None)]


def test_what_belongs_to_another_run_has_no_bar_and_its_own_home() -> None:
    origin = {"kind": "recover", "run": "old", "project": "p", "domain": "d", "action": "load-zzzz"}
    forest = Forest(
        [
            (None, action("a0", 0, 8)),
            (0, action("load-aaaa", 0, 0, phase="recovered", origin=origin)),
            (1, action("read-bbbb", 0, 5, run="old")),
        ]
    )
    run: Any = {"name": "r", "project": "mine", "domain": "dev"}
    assert seen(forest)[2] == ("old/read-bbbb", 2, None)
    row = forest.seen(0, 9, None)["rows"][2]
    assert (row["part"], row["marks"]) == (None, [("in source", "recovered")])
    assert forest.home("old/read-bbbb", run) == ("old", "p", "d")
    assert forest.home("a0", run) == ("r", "mine", "dev")
    assert forest.above("old/read-bbbb") == "load-aaaa"
    assert forest.above("a0") is None
