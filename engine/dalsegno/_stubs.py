"""Other bodies for tasks, for a while: what `dalsegno.testing.stub` puts in their place.

A stub counts as an edit of the task's code. Whatever reaches the task reaches its stub, so its code digest is another one
too, and neither is equal to that of any code without this very stub: no result that a stub had a hand in is ever taken over
by a run without it, nor the other way round. What does not reach the task keeps its digest, and its results may be reused.
A task without a source counts as one that reaches every stub.

A run has the stubs that are in place when it is prepared, to its end. They are never recorded: what is recorded is the real
code, and that there was a stub.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dalsegno._module_names import recorded_module_name
from dalsegno.closure import Closure, Symbol, Widening
from dalsegno.errors import DalsegnoError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dalsegno._reading import Reading
    from dalsegno.models import TaskTemplate
    from dalsegno.task import Task

_MARK = " as a stub"

WHOLE = "*"
"""The name of all of a module among the symbols of a closure."""


@dataclass(frozen=True, eq=False)
class Stub:
    """A body for a task; `mark` is 16 bytes that no other stub has."""

    task: Task[Any, Any]
    body: Callable[..., Any]
    mark: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @cached_property
    def place(self) -> tuple[str, str]:
        """The recorded module and the qualified name of the task."""
        return recorded_module_name(self.task.module), self.task.qualname

    def stands_for(self, task: Task[Any, Any]) -> bool:
        """Whether it is this task, also as recorded code has it, or with other settings."""
        return task.name == self.task.name and self.place == (
            recorded_module_name(task.module),
            task.qualname,
        )

    def is_reached(self, closure: Closure) -> bool:
        """Whether this code can reach the task; `closure` has symbols, since it is that of a source."""
        module, qualname = self.place
        if "<locals>" in qualname:  # under which name it can be reached is not known
            return True
        names = (module, qualname.partition(".")[0]), (module, WHOLE)
        return any(symbol[:2] in names for symbol in closure.symbols)


_in_place: tuple[Stub, ...] = ()


def in_place() -> tuple[Stub, ...]:
    """The stubs that the next run gets, the latest first."""
    return _in_place


@contextmanager
def put(stub: Stub) -> Iterator[None]:
    """Have every run that is prepared in the block, by whatever thread, use the stub."""
    global _in_place
    _in_place = (stub, *_in_place)
    try:
        yield
    finally:
        _in_place = tuple(each for each in _in_place if each is not stub)


def stubbed(ledger: Reading, template: TaskTemplate) -> dict[bytes, str]:
    """The marks of the stubs that this task could reach when it was executed, with what they stood for, as "module:name"."""
    return _marks(_closure(ledger, template))


def other_stubs(ledger: Reading, template: TaskTemplate) -> list[str]:
    """What this task could reach a stub of when it was executed and cannot now, or the other way round, as "module:name"."""
    closure = _closure(ledger, template)
    before = _marks(closure)
    by_value = template.pickle is not None
    now = {stub.mark: ":".join(stub.place) for stub in _in_place if by_value or stub.is_reached(closure)}
    return sorted({name for mark, name in {**before, **now}.items() if mark not in before or mark not in now})


def _closure(ledger: Reading, template: TaskTemplate) -> Closure:
    try:
        return ledger.closure(template.closure)
    except DalsegnoError:  # it is gone, so nobody knows
        return Closure(template.module, template.qualname)


def _marks(closure: Closure) -> dict[bytes, str]:
    return {
        symbol.digest: f"{symbol.module}:{symbol.name.removesuffix(_MARK)}"
        for symbol in closure.symbols
        if symbol.name.endswith(_MARK)
    }


def marked(closure: Closure, stubs: Iterable[Stub]) -> Closure:
    """The closure of code that reaches these stubs."""
    symbols, widened = {*closure.symbols}, {*closure.widened}
    for stub in stubs:
        module, qualname = stub.place
        symbols.add(Symbol(module, qualname + _MARK, stub.mark))
        widened.add(Widening(module, qualname, "value", "a stub was in its place"))
    return closure._replace(symbols=tuple(sorted(symbols)), widened=tuple(sorted(widened)))
