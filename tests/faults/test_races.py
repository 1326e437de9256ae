"""Eight processes that start runs of the same names at once: each name is given to exactly one."""

from collections import Counter

from tests.faults.stage import Stage

import dalsegno_storage
from dalsegno import maintenance
from dalsegno._ledger import Ledger

RACERS = 8


def test_a_name_is_given_to_exactly_one(stage: Stage, scheme: str, often: int) -> None:
    place = f"{scheme}://{stage.folder}/store"
    stage.play("create", place)
    names = [f"r{number}" for number in range(15 * often)]
    ended = stage.play("race", place, racers=RACERS, names=names)
    got = {name: number for what, name, number in ended.said if what == "got"}
    outcomes = Counter((name, what) for what, name, _ in ended.said)
    assert outcomes == {
        **{(name, "got"): 1 for name in names},
        **{(name, "taken"): RACERS - 1 for name in names},
    }
    store = dalsegno_storage.open_store(place, create=False)
    assert maintenance.check(store).is_clean
    ledger = Ledger(store)
    for name in names:
        run = ledger.find_run("default", "development", name)
        assert run.labels == {"racer": str(got[name])}
        assert run.phase == "succeeded"
    ledger.close()
    store.close()


def test_a_store_is_made_by_exactly_one(stage: Stage, scheme: str, often: int) -> None:
    """The same where there is no store yet, so that it is made by one of them and used by all."""
    for number in range(3 * often):
        place = f"{scheme}://{stage.folder}/store{number}"
        ended = stage.play("race", place, racers=RACERS, names=["only"])
        assert Counter(what for what, *_ in ended.said) == {"got": 1, "taken": RACERS - 1}
