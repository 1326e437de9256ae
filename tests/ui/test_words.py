"""How things are said: durations, sizes, addresses, relations, phases."""

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")

from dalsegno.models import Phase
from dalsegno.ui.pages._words import ago, phase_words, phases, relation_mark, run_path, size, took
from dalsegno.views import RelationView


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "<0.1 ms"),
        (0.000_26, "0.3 ms"),
        (0.0123, "12 ms"),
        (0.0999, "0.10 s"),
        (3.4, "3.40 s"),
        (59.94, "59.9 s"),
        (59.96, "1m 00s"),
        (303, "5m 03s"),
        (7_620, "2h 07m"),
        (90_000, "1d 01h"),
    ],
)
def test_took(seconds: float | None, words: str) -> None:
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (3_400, "3.4 kB"),
        (999_600, "1.0 MB"),
        (12_000_000, "12 MB"),
        (3e9, "3.0 GB"),
    ],
)
def test_size(count: float, words: str) -> None:
    assert size(count) == words


def test_ago() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def said(**before: float) -> str:
        return ago((now - timedelta(**before)).isoformat(), now)

    assert said(seconds=1) == "just now"
    assert said(seconds=40) == "40 s ago"
    assert said(minutes=5) == "5 min ago"
    assert said(days=400) == "2025-01-25"
    assert said(days=3).startswith("Feb 26, ")


def test_every_phase_has_a_sign_and_a_word_of_its_own() -> None:
    assert set(phases()) == {phase.value for phase in Phase}
    assert len({phase_words(phase) for phase in phases()}) == len(phases())
    assert phase_words("dreaming").word == "dreaming"


def test_addresses_quote_names() -> None:
    assert run_path("a") == "/run/a"
    assert run_path("a/b c", action="x?y") == "/run/a%2Fb%20c/action/x%3Fy"
    assert run_path("a", "p", None, action="x", page="rerun") == "/run/a/action/x/rerun?project=p"
    assert run_path("a", tab="logs", domain="d&e") == "/run/a?domain=d%26e&tab=logs"


@pytest.mark.parametrize(
    ("kind", "recover", "word"),
    [("rerun", False, "rerun of"), ("rerun", True, "recovered from"), ("fork", True, "forked from")],
)
def test_relations(kind: str, recover: bool, word: str) -> None:
    relation: RelationView = {
        "kind": kind,
        "run": "first",
        "project": "p",
        "domain": "d",
        "action": "prep-k3v9q2aa",
        "changed_inputs": [],
        "source_code_digest": "",
        "code_digest": "",
        "recover": recover,
        "forced": [],
    }
    mark = relation_mark(relation)
    assert (mark.word, mark.run) == (word, "first/prep-k3v9q2aa")
    assert mark.href == "/run/first/action/prep-k3v9q2aa?project=p&domain=d"
