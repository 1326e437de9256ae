"""Records as keys and bytes: nothing is lost, and keys sort as they should."""

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno import _records as records
from dalsegno._phases import TRANSITIONS, advance
from dalsegno._pins import unpack_pin
from dalsegno.errors import DamagedRecordError, DecodeError
from dalsegno.models import (
    ActionRecord,
    Attempt,
    ClassCode,
    Failure,
    Origin,
    Phase,
    Ref,
    Relation,
    RunRecord,
    TaskTemplate,
)

texts = st.text(max_size=12)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
digests = st.binary(min_size=32, max_size=32)
shorts = st.binary(min_size=16, max_size=16)
times = st.integers(0, 2**63 - 1)
ids = st.integers(0, 2**63 - 2)
seqs = st.integers(0, 2**32 - 2)
parts = st.one_of(st.binary(max_size=40), st.builds(Ref, digests, st.integers(513, 2**40)))
values = st.one_of(st.binary(max_size=40), st.dictionaries(st.text(max_size=8), parts, max_size=3))
phases = st.sampled_from(Phase)
mappings = st.dictionaries(texts, texts, max_size=3)

relations = st.builds(
    Relation,
    st.sampled_from(["rerun", "fork"]),
    names,
    names,
    names,
    names,
    st.lists(texts, max_size=3).map(tuple),
    digests,
    digests,
    st.booleans(),
    st.lists(texts, max_size=2).map(tuple),
)
runs = st.builds(
    RunRecord,
    ids,
    names,
    names,
    names,
    names,
    digests,
    digests,
    digests,
    digests,
    phases,
    times,
    st.none() | times,
    mappings,
    mappings,
    mappings,
    st.none() | relations,
)
failures = st.builds(Failure, texts, texts, texts, st.binary(max_size=20))
templates = st.builds(
    TaskTemplate,
    names,
    names,
    names,
    names,
    st.booleans(),
    texts,
    st.dictionaries(texts, st.none() | texts | st.integers(0, 9) | st.lists(texts)),
    st.dictionaries(texts, st.binary(max_size=9)),
    digests,
    digests,
    st.none() | digests,
    digests,
    mappings,
    st.dictionaries(texts, st.binary(max_size=9)),
)
class_codes = st.builds(ClassCode, st.lists(st.tuples(texts, texts), max_size=2).map(tuple), digests)


@st.composite
def actions(draw: st.DrawFn) -> ActionRecord:
    seq = draw(seqs)
    short_name, path = draw(names), draw(shorts)
    return ActionRecord(
        run_id=draw(ids),
        seq=seq,
        parent=draw(st.none() | seqs),
        short_name=short_name,
        key=draw(shorts),
        path=path,
        group=draw(texts),
        template=draw(digests),
        inputs=draw(values),
        phase=draw(phases),
        attempts=draw(st.integers(1, 99)),
        started_at=draw(times),
        ended_at=draw(st.none() | times),
        outputs=draw(st.none() | values),
        failure=draw(st.none() | failures),
        opaque_inputs=draw(st.booleans()),
        opaque_outputs=draw(st.booleans()),
        origin=draw(st.none() | st.builds(Origin, st.sampled_from(["recover", "cache"]), ids, seqs)),
        classes=draw(st.none() | class_codes),
        failed_attempts=draw(st.lists(st.builds(Attempt, times, times, failures), max_size=2).map(tuple)),
    )


@given(runs)
def test_runs_round_trip(run: RunRecord) -> None:
    assert records.unpack_run(run.id, records.pack_run(run)) == run


@given(actions())
def test_actions_round_trip(action: ActionRecord) -> None:
    data = records.pack_action(action)
    assert records.unpack_action(action.run_id, action.seq, data) == action
    assert records.standing_of(data) == (action.phase, action.attempts)


@given(templates)
def test_templates_round_trip(template: TaskTemplate) -> None:
    assert records.unpack_template(records.pack_template(template)) == template


def test_the_order_of_settings_does_not_change_a_template() -> None:
    def template(settings: dict[str, bytes]) -> TaskTemplate:
        return TaskTemplate("e.t", "t", "m", "t", False, "", {}, settings, bytes(32), bytes(32))

    assert records.pack_template(template({"a": b"1", "b": b"2"})) == records.pack_template(
        template({"b": b"2", "a": b"1"})
    )


@given(st.sampled_from(["stdout", "log"]), times, st.text())
def test_log_chunks_round_trip(stream: str, at: int, text: str) -> None:
    assert records.unpack_log(records.pack_log(stream, at, text, 2)) == (stream, at, text, 2)


def test_log_text_that_is_no_valid_unicode_is_kept() -> None:
    assert records.unpack_log(records.pack_log("stdout", 1, "a\udc80b", 1)) == ("stdout", 1, "a\udc80b", 1)


def sealed(unpack: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    return lambda data: unpack(records.sealed(data))


RECORDS: list[Callable[[bytes], Any]] = [
    lambda data: records.unpack_run(1, data),
    lambda data: records.unpack_action(1, 1, data),
    records.standing_of,
    records.unpack_log,
    records.unpack_cached,
    unpack_pin,
]
UNPACK = [*map(sealed, RECORDS), records.unpack_template, records.unpack_manifest]


@pytest.mark.parametrize("unpack", UNPACK)
@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x91", msgpack.packb({"a": 1}), msgpack.packb([])])
def test_bytes_that_are_no_record_are_refused(unpack: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises(DecodeError, match="record"):
        unpack(data)


@pytest.mark.parametrize("unpack", UNPACK)
def test_another_layout_is_named(unpack: Callable[[bytes], Any]) -> None:
    with pytest.raises(DecodeError, match=f"another layout than {records.LAYOUT}"):
        unpack(msgpack.packb([records.LAYOUT + 1, "a", "b"]))


@pytest.mark.parametrize("unpack", RECORDS)
@pytest.mark.parametrize(
    "data", [b"", b"\x90", bytes(4), bytes(7), msgpack.packb([records.LAYOUT, "a", "b"])]
)
def test_bytes_without_their_checksum_are_damaged(unpack: Callable[[bytes], Any], data: bytes) -> None:
    with pytest.raises((DamagedRecordError, DecodeError), match="record"):
        unpack(data)


@given(st.binary(max_size=60), st.integers(0, 10**6))
def test_a_flipped_bit_in_a_record_is_noticed(data: bytes, bit: int) -> None:
    whole = records.sealed(data)
    assert records.opened(whole, "test") == data
    flipped = bytearray(whole)
    flipped[bit % len(whole)] ^= 1 << (bit // len(whole) % 8)
    with pytest.raises(DamagedRecordError, match=r"a record \(test\) is damaged"):
        records.opened(bytes(flipped), "test")


@given(ids)
def test_numbers_round_trip(number: int) -> None:
    assert records.unpack_number(records.pack_number(number), "test") == number


@given(ids, st.lists(st.tuples(seqs, shorts), unique_by=lambda pair: pair[0], max_size=8))
def test_the_actions_of_a_run_lie_in_the_order_in_which_they_came(
    run_id: int, pairs: list[tuple[int, bytes]]
) -> None:
    keys = [records.action_key(run_id, seq, path) for seq, path in sorted(pairs)]
    assert keys == sorted(keys)
    assert [records.seq_of(key) for key in keys] == sorted(seq for seq, _ in pairs)
    start, stop = records.actions_range(run_id)
    for key, (seq, _) in zip(keys, sorted(pairs), strict=True):
        assert start <= key < stop
        first, last = records.action_range(run_id, seq)
        assert first <= key < last
        assert [other for other in keys if first <= other < last] == [key]


@given(ids, seqs, seqs, st.integers(0, 2**32 - 1))
def test_logs_lie_by_action(run_id: int, seq: int, other: int, number: int) -> None:
    key = records.log_key(run_id, seq, number)
    whole = records.log_range(run_id, None)
    assert whole[0] <= key < whole[1]
    start, stop = records.log_range(run_id, other)
    assert (start <= key < stop) == (seq == other)
    assert records.seq_of(key) == seq


@given(names, names, names, names)
def test_names_of_one_project_and_domain_lie_together(
    project: str, domain: str, name: str, other: str
) -> None:
    start, stop = records.names_range(project, domain)
    assert start <= records.name_key(project, domain, name) < stop
    inside = start <= records.name_key(project + other, domain, name) < stop
    assert not inside


@given(runs, names)
def test_index_entries_are_in_the_range_of_their_field_and_value_and_no_other(
    run: RunRecord, value: str
) -> None:
    keys = set(records.index_keys(run))
    assert {records.run_id_of(key) for key in keys} == {run.id}

    def found(field: str, value: str) -> int:
        start, stop = records.index_range(field, value)
        return sum(start <= key < stop for key in keys)

    assert found("phase", run.phase.value) == 1
    assert found("task", run.task) == 1
    assert found("task", run.task + value) == 0
    assert found("project", f"{run.project}/{run.domain}") == 1
    for label, text in run.labels.items():
        assert found("label", f"{label}={text}") == 1
    source = run.relation
    if source is not None:
        assert found("source", f"{source.project}/{source.domain}/{source.run}") == 1


@given(runs, phases)
def test_a_change_of_phase_moves_one_index_entry(run: RunRecord, phase: Phase) -> None:
    gone, new = records.index_changes(run, run._replace(phase=phase))
    assert len(gone) == len(new) == (run.phase is not phase)


@given(phases, phases)
def test_phases_go_the_ways_of_the_table_only(current: Phase, new: Phase) -> None:
    if new in TRANSITIONS[current]:
        assert advance(current, new) is new
    else:
        with pytest.raises(ValueError, match=f"a record that is {current} cannot become {new}"):
            advance(current, new)


def test_what_has_ended_stays_as_it_is() -> None:
    assert TRANSITIONS.keys() == set(Phase)
    for phase in Phase:
        if phase is not Phase.INTERRUPTED:  # which is never recorded
            assert phase.is_terminal == (not TRANSITIONS[phase])
    assert [phase for phase in Phase if phase.is_success] == [Phase.SUCCEEDED, Phase.RECOVERED]
