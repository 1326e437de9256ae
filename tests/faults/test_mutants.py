"""The mutants fit the sources as they are; trying them takes minutes and is done by `python -m tests.faults.mutants`."""

import re

import pytest
from tests.faults.mutants import MUTANTS, ROOT, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_changes_is_there_once_and_so_are_its_tests(mutant: Mutant) -> None:
    for edit in mutant.edits:
        assert edit.found(ROOT) == 1, f"{edit.text!r} is not in {edit.file} exactly once; change the mutant"
        assert edit.text != edit.replacement
    for test in mutant.tests:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"def {re.escape(name.partition('[')[0])}\b", text), test


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
