"""What runs and actions have in common: one action record and the ways to look into it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from dalsegno._ledger import Ledger
from dalsegno._loops import Home
from dalsegno._pickles import is_plain
from dalsegno.codec import decode, view
from dalsegno.errors import (
    BundleLoadError,
    DecodeError,
    RunAbortedError,
    RunInterruptedError,
    RunNotDoneError,
    UntrustedCodeError,
)
from dalsegno.failures import revive
from dalsegno.interface import Interface
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

        Values of the user's own classes need the recorded code, which is loaded for them; of a run that was imported it
        must be trusted, else that is an UntrustedCodeError.
        """
        parts = self._records.ledger.named(self._action().inputs)
        return {name: self._decode(part) for name, part in parts.items()}

    def outputs(self) -> tuple[Any, ...]:
        """The outputs in order, `()` for a task that returns None.

        RunNotDoneError while there are none, RunInterruptedError when nobody will bring the run to its end.
        """
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
        try:
            interface = self._code(template).task(template).interface
        except BundleLoadError:  # as when the packages are another environment's; the values did not need it
            interface = Interface.from_record(template.interface, name=template.name, decode=decode)
        return interface.unpack_outputs(outputs)

    def _outputs(self, action: ActionRecord) -> list[Any]:
        """The values of the outputs; raises what was recorded instead."""
        if action.failure is not None and action.phase is not Phase.ABORTED:
            raise revive(action.failure, self._resolve)
        if action.phase is Phase.ABORTED:
            raise RunAbortedError(self._label(), action.failure.message if action.failure else "")
        if action.outputs is None:
            run = self._records.ledger.run(action.run_id)
            if run.phase is Phase.INTERRUPTED:
                raise RunInterruptedError(run.name)
            raise RunNotDoneError(self._label(), action.phase)
        return [self._decode(part) for part in self._records.ledger.named(action.outputs).values()]

    def _resolve(self, module: str, qualname: str) -> Any:
        template = self._records.ledger.template(self._action().template)
        return self._code(template).resolve(module, qualname)

    def _code(self, template: TaskTemplate) -> RunCode:
        """The recorded code; UntrustedCodeError where it is not to be loaded, and nothing pickled either."""
        self._records.ledger.refuse_untrusted(self._action().run_id, template.bundle_digest)
        return self._records.code(template.bundle_digest)

    def _decode(self, data: bytes) -> Any:
        ledger, action = self._records.ledger, self._action()
        if ledger.is_imported(action.run_id) and not is_plain(data):
            ledger.refuse_untrusted(action.run_id, ledger.template(action.template).bundle_digest)
        try:
            return decode(data, resolve=self._resolve, read_blob=ledger.blob)
        except DecodeError as error:
            if isinstance(error.__cause__, UntrustedCodeError):
                raise error.__cause__ from None
            raise
