"""What is compared of two executions of a run."""

from typing import Any

from dalsegno import Engine, Run
from dalsegno._ledger import Ledger
from dalsegno.models import ActionRecord, Phase
from dalsegno_storage.memory import MemoryStore


class Imaging(MemoryStore):
    """A store that keeps what it held after each commit: what a crash would have left at that moment."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[bytes, bytes]] = []

    def _apply(self, changes: dict[bytes, bytes | None]) -> None:
        super()._apply(changes)
        with self.read() as reader:
            self.images.append(dict(reader.scan()))


def store_of(image: dict[bytes, bytes]) -> MemoryStore:
    """A store that holds this."""
    store = MemoryStore()
    with store.write() as writer:
        for key, data in image.items():
            writer.put(key, data)
    return store


def tree_of(run: Run[Any] | Engine | Ledger, run_id: int | None = None) -> dict[str, tuple[object, ...]]:
    """The actions of a run by name, with what does not depend on when and how often they were executed."""
    if isinstance(run, Run):
        actions = [action.record for action in run.actions()]
    else:
        ledger = run.ledger if isinstance(run, Engine) else run
        assert run_id is not None
        actions = ledger.actions(run_id)
    return shape(actions)


def shape(actions: list[ActionRecord]) -> dict[str, tuple[object, ...]]:
    names = {action.seq: action.name for action in actions}
    return {
        action.name: (
            None if action.parent is None else names[action.parent],
            action.key,
            action.group,
            action.phase,
            action.inputs,
            None if "durable" in action.name or "random" in action.name else action.outputs,
            None if action.failure is None else (action.failure.kind, action.failure.message),
        )
        for action in actions
    }


def ended(store: MemoryStore, run_id: int) -> set[str]:
    """The names of the actions that have ended, and whose result can be served."""
    ledger = Ledger(store)
    return {
        action.name
        for action in ledger.actions(run_id)
        if action.phase.is_terminal and action.phase is not Phase.ABORTED
    }
