"""What runs and actions have in common: one action record and the ways to look into it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from dalsegno._ledger import Ledger
from dalsegno._loops import Home
from dalsegno.codec import decode, view
from dalsegno.errors import RunAbortedError, RunNotDoneError
from dalsegno.failures import revive
from dalsegno.models import ActionRecord, Failure, Phase, RunRecord, TaskTemplate, Values

if TYPE_CHECKING:
    from dalsegno._code import RunCode


class Records(Protocol):
    """What a run needs of the engine that gave it out."""

    @property
    def ledger(self) -> Ledger: ...

    @property
    def url(self) -> str: ...

    @property
    def home(self) -> Home: ...

    def code(self, bundle: bytes) -> RunCode: ...

    def live(self, run_id: int) -> Future[RunRecord] | None: ...

    async def abort(self, run_id: int, reason: str, *, take_over: bool = False) -> None: ...


class Recorded:
    """What runs and actions have in common: one action record and the ways to look into it."""

    _records: Records

    def _action(self) -> ActionRecord:
        raise NotImplementedError

    def _label(self) -> str:
        raise NotImplementedError

    @property
    def template(self) -> TaskTemplate:
        """The recorded description of the task."""
        return self._records.ledger.template(self._action().template)

    @property
    def attempts(self) -> int:
        """How often the body was begun."""
        return self._action().attempts

    @property
    def failure(self) -> Failure | None:
        """The recorded exception, if it failed."""
        return self._action().failure

    def inputs(self) -> dict[str, Any]:
        """The inputs by name, as Python values.

        Values of the user's own classes need the recorded code, which is loaded for them.
        """
        parts = self._records.ledger.named(self._action().inputs)
        return {name: self._decode(part) for name, part in parts.items()}

    def outputs(self) -> tuple[Any, ...]:
        """The outputs in order, `()` for a task that returns None; RunNotDoneError while there are none."""
        return tuple(self._outputs(self._action()))

    def io(self) -> dict[str, Any]:
        """Inputs and outputs in plain JSON terms, `{"inputs": {name: …}, "outputs": […]}`.

        Shows values without loading or running anything; `outputs` is empty when there are none.
        """
        action = self._action()
        return {"inputs": self._views(action.inputs), "outputs": list(self._views(action.outputs).values())}

    def _views(self, values: Values | None) -> dict[str, Any]:
        return {name: view(part) for name, part in self._records.ledger.named(values).items()}

    def _value(self, action: ActionRecord) -> Any:
        """The value returned, as the function returned it."""
        outputs = self._outputs(action)
        template = self._records.ledger.template(action.template)
        return self._records.code(template.bundle_digest).task(template).interface.unpack_outputs(outputs)

    def _outputs(self, action: ActionRecord) -> list[Any]:
        """The values of the outputs; raises what was recorded instead."""
        if action.failure is not None and action.phase is not Phase.ABORTED:
            raise revive(action.failure, self._resolve)
        if action.phase is Phase.ABORTED:
            raise RunAbortedError(self._label(), action.failure.message if action.failure else "")
        if action.outputs is None:
            raise RunNotDoneError(self._label(), action.phase)
        return [self._decode(part) for part in self._records.ledger.named(action.outputs).values()]

    def _resolve(self, module: str, qualname: str) -> Any:
        template = self._records.ledger.template(self._action().template)
        return self._records.code(template.bundle_digest).resolve(module, qualname)

    def _decode(self, data: bytes) -> Any:
        return decode(data, resolve=self._resolve, read_blob=self._records.ledger.blob)
