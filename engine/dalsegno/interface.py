"""What a task takes and gives: names, types and defaults of its inputs and outputs.

An interface is built from a function or from its record. Both bind and convert in the same way; a record, which
needs no code of the user, is a little coarser about classes (see `dalsegno._convert.recorded`).

A function that returns nothing has no outputs, a tuple of fixed length has `o0`, `o1`, ..., a named tuple its field
names, and everything else the one output `o0`. A return value without annotation may be anything.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Final

from dalsegno._convert import Report, Source, shorten, take
from dalsegno._convert.records import known
from dalsegno._convert.scalars import Scalar
from dalsegno._variables import (
    MISSING,
    Decode,
    Encode,
    Option,
    Passing,
    Record,
    Types,
    UnresolvedError,
    Variable,
    live_types,
    option_of,
    record_of,
    recorded_types,
    signature_of,
)
from dalsegno.errors import InputError, InputProblem

__all__ = ["Interface", "MISSING", "Option", "Source", "Variable"]

_PYTHON: Final[Mapping[str, Source]] = {}


class Interface:
    """The inputs and outputs of a task; `name` is the task's and appears in errors only."""

    def __init__(self, name: str, inputs: Sequence[tuple[str, Passing]], types: Callable[[], Types]) -> None:
        self.name = name
        self._names = tuple(each for each, _ in inputs)
        self._by_position = tuple(each for each, passing in inputs if passing != "keyword")
        self._find_types = types
        self._record: Record | None = None

    def __repr__(self) -> str:
        return f"<Interface of {self.name}: {', '.join(self._names) or 'no inputs'}>"

    @classmethod
    def of(cls, function: Callable[..., object], *, name: str) -> "Interface":
        """The interface of a function.

        Raises TaskDefinitionError for parameters that cannot be recorded. An annotation whose names are not defined
        yet is resolved at the first use, and only then an error.
        """
        signature, passings = signature_of(function, name)
        interface = cls(name, passings, lambda: live_types(name, function, signature))
        with contextlib.suppress(UnresolvedError):
            interface.outputs  # noqa: B018  # wrong annotations are to be found now
        return interface

    @classmethod
    def from_record(cls, record: Record, *, name: str, decode: Decode) -> "Interface":
        """The interface that `record` wrote down; needs no code, and `decode` only when a default is asked for."""
        inputs = [(each["name"], each["passing"]) for each in record["inputs"]]
        interface = cls(name, inputs, lambda: recorded_types(record, decode))
        interface._record = record
        return interface

    def record(self, encode: Encode) -> Record:
        """The interface as dicts, lists, strings, booleans, numbers and bytes; equal interfaces give equal records.

        `encode` makes bytes of default values. Made once and kept, since schemas cost milliseconds.
        """
        if self._record is None:
            self._record = record_of(self._types, encode)
        return self._record

    @property
    def inputs(self) -> tuple[Variable, ...]:
        """The inputs in the order of the parameters."""
        return self._types.inputs

    @property
    def outputs(self) -> tuple[Variable, ...]:
        """The outputs in order."""
        return self._types.outputs

    @cached_property
    def _types(self) -> Types:
        return self._find_types()

    @cached_property
    def _plan(self) -> tuple[tuple[str, type | None, Variable], ...]:
        """Each input with the type whose exact instances need no further look."""
        kinds = [(each, each.kind) for each in self.inputs]
        return tuple(
            (each.name, kind.cls if isinstance(kind, Scalar) else None, each) for each, kind in kinds
        )

    @cached_property
    def _exact(self) -> tuple[type | None, ...] | None:
        """The types of a call by position that needs no work at all."""
        return tuple(exact for _, exact, _ in self._plan) if self._names == self._by_position else None

    def options(self) -> tuple[Option, ...]:
        """What a command line or a form needs of each input; uses neither code nor pydantic on a record."""
        return tuple(map(option_of, self.inputs))

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The arguments of a call by input name, in order, defaults filled in; nothing is converted."""
        problems: list[InputProblem] = []
        values = self._bound(args, kwargs, problems)
        return self._finish(values, None, problems, partial=False)

    def accept(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        """The arguments of a call by input name, in order, defaults filled in, and every value right.

        Values that are right already are kept, the very objects. InputError lists everything that is wrong.
        """
        if not kwargs and tuple(map(type, args)) == self._exact:
            return dict(zip(self._names, args, strict=True))
        problems: list[InputProblem] = []
        values = self._bound(args, kwargs, problems)
        return self._finish(values, _PYTHON, problems, partial=False)

    def convert(
        self,
        values: Mapping[str, object],
        *,
        source: Source | Mapping[str, Source] = "python",
        partial: bool = False,
    ) -> dict[str, object]:
        """Inputs by name made right, in order; `source` says where they come from, for all or by input name.

        With `partial`, only what was given is converted and returned; without, missing inputs are errors and
        defaults are filled in. Unknown names are errors always.
        """
        problems: list[InputProblem] = []
        known_values = self._known(values, {}, problems)
        sources = dict.fromkeys(values, source) if isinstance(source, str) else source
        return self._finish(known_values, sources, problems, partial=partial)

    def _bound(
        self, args: Sequence[object], kwargs: Mapping[str, object], problems: list[InputProblem]
    ) -> Mapping[str, object]:
        names = self._by_position
        values = dict(zip(names, args, strict=False))
        if len(args) > len(names):
            most = f"at most {len(names)} arguments by position ({', '.join(names) or 'it takes none'})"
            problems.append(InputProblem("arguments", "", most, str(len(args))))
        return self._known(kwargs, values, problems) if kwargs else values

    def _known(
        self, named: Mapping[str, object], values: dict[str, object], problems: list[InputProblem]
    ) -> Mapping[str, object]:
        for name, value in named.items():
            if name in values:
                problems.append(InputProblem(name, "", "one value", "two, by position and by name"))
            elif name in self._names:
                values[name] = value
            else:
                words = known(name, self._names, "an input of this task")
                problems.append(InputProblem(name, "", words, "an unknown name"))
        return values

    def _finish(
        self,
        given: Mapping[str, object],
        sources: Mapping[str, Source] | None,
        problems: list[InputProblem],
        *,
        partial: bool,
    ) -> dict[str, object]:
        """Convert what was given (not at all without sources), fill in the rest, raise if anything is wrong."""
        values: dict[str, object] = {}
        for name, exact, variable in self._plan:
            if name in given:
                value = given[name]
                if sources is None or (
                    sources is _PYTHON and (type(value) is exact or variable.kind.holds(value))
                ):
                    values[name] = value
                else:
                    report = Report(name)
                    values[name] = take(variable.kind, value, sources.get(name, "python"), report)
                    problems += report.problems
            elif partial or any(problem.input == name for problem in problems):
                continue
            elif variable.required:
                problems.append(InputProblem(name, "", variable.kind.expected, "nothing"))
            else:
                values[name] = variable.default
        if problems:
            raise InputError(self.name, problems)
        return values

    def pack_outputs(self, value: object) -> tuple[object, ...]:
        """What a function returned, as its outputs in order, every value right.

        Raises InputError, with "(outputs)" behind the task's name, for too many, too few or wrong values.
        """
        types = self._types
        match types.returns:
            case "nothing":
                if value is not None:
                    self._refuse_outputs("None, since the task is annotated to return nothing", value)
                return ()
            case "value":
                values: tuple[object, ...] = (value,)
            case _:
                count = len(types.outputs)
                if not isinstance(value, tuple) or len(value) != count:
                    names = ", ".join(each.name for each in types.outputs)
                    self._refuse_outputs(f"a tuple of {count} value{'s' * (count != 1)} ({names})", value)
                values = tuple(value)  # type: ignore[arg-type]  # refused above unless it is a tuple
        problems: list[InputProblem] = []
        made: list[object] = []
        for variable, item in zip(types.outputs, values, strict=True):
            if variable.kind.holds(item):
                made.append(item)
                continue
            report = Report(variable.name)
            made.append(variable.kind.convert(item, "python", (), report))
            problems += report.problems
        if problems:
            raise InputError(f"{self.name} (outputs)", problems)
        return tuple(made)

    def unpack_outputs(self, outputs: Sequence[object]) -> object:
        """The value as the function returned it, of its outputs in order; named tuples are made again."""
        types = self._types
        if types.returns == "nothing":
            return None
        return outputs[0] if types.returns == "value" else types.make(outputs)

    def _refuse_outputs(self, expected: str, value: object) -> None:
        size = f"{len(value)} values: " if isinstance(value, tuple) else ""
        problem = InputProblem("return value", "", expected, size + shorten(value))
        raise InputError(f"{self.name} (outputs)", [problem])
