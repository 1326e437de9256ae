"""What pydantic owns: models, annotations with constraints or validators, classes that describe themselves to it.

Instances of a model are kept. A dict for a model is validated by the model's own rules (they may be lax, as its
author chose), except that names which the model would drop in silence are refused. Constraints are checked after
the natural conversion, so that they see a value of the declared type.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast, get_args

from dalsegno._convert.base import FAILED, FileUse, Kind, Path, Report, Source, shorten

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

_WORDS = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "list": "a list",
    "tuple": "a tuple",
    "set": "a set",
    "dictionary": "a dict",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time of day",
    "timedelta": "a duration",
}
_RAW = ("BeforeValidator", "PlainValidator", "WrapValidator")


def is_model(cls: object) -> bool:
    """Whether pydantic knows by itself how to validate a class."""
    return isinstance(cls, type) and (
        hasattr(cls, "__get_pydantic_core_schema__") or hasattr(cls, "__pydantic_validator__")
    )


def takes_raw(annotation: object) -> bool:
    """Whether validators want the value before it was converted."""
    return any(type(extra).__name__ in _RAW for extra in get_args(annotation)[1:])


def adapter(annotation: Any) -> "Callable[[], TypeAdapter[Any]]":
    """The annotation's validator, built when first needed (milliseconds) and kept."""

    @cache
    def build() -> "TypeAdapter[Any]":
        from pydantic import ConfigDict, PydanticUserError, TypeAdapter

        try:
            return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
        except PydanticUserError:
            return TypeAdapter(annotation)  # models and dataclasses bring a configuration of their own

    return build


@dataclass(frozen=True, slots=True)
class Model(Kind):
    """A model, pydantic dataclass, or other class that pydantic can make."""

    cls: type
    adapter: "Callable[[], TypeAdapter[Any]]"

    @property
    def expected(self) -> str:
        return f"a {self.cls.__name__}" + (
            " or a dict of its fields" if hasattr(self.cls, "__pydantic_fields__") else ""
        )

    def holds(self, value: object) -> bool:
        return isinstance(value, self.cls)

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        try:
            return self.adapter().validate_python(value, extra="forbid")
        except Exception as error:  # validators are the user's code
            problems = _details(error)
            kept = [detail for detail in problems if not self._is_welcome(detail)]
            if problems and not kept:
                return validated(self.adapter(), value, self.expected, path, report)
            return _refuse(kept, error, value, self.expected, path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        if hasattr(self.cls, "__pydantic_fields__"):
            return Kind.text(self, text, path, report)
        return self.take(text, "json", path, report)

    def _is_welcome(self, detail: "ErrorDetails") -> bool:
        """Whether a name was refused although the model that it was given to takes any name."""
        if detail["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
            return False
        models = list(_models_in(self.cls))
        for step in detail["loc"][:-1]:
            models = [inner for model in models for inner in _models_at(model, step)] or models
        return any(_extra(model) == "allow" for model in models)


@dataclass(frozen=True, slots=True)
class Checked(Kind):
    """A kind whose values must also pass the constraints and validators of an `Annotated`."""

    base: Kind
    adapter: "Callable[[], TypeAdapter[Any]]"

    @property
    def expected(self) -> str:
        return self.base.expected

    @property
    def file(self) -> FileUse:
        return self.base.file

    def holds(self, value: object) -> bool:
        return False

    def convert(self, value: object, source: Source, path: Path, report: Report) -> object:
        return self._check(self.base.take(value, source, path, report), path, report)

    def text(self, text: str, path: Path, report: Report) -> object:
        return self._check(self.base.text(text, path, report), path, report)

    def _check(self, value: object, path: Path, report: Report) -> object:
        return FAILED if value is FAILED else validated(self.adapter(), value, self.expected, path, report)


def validated(
    adapter: "TypeAdapter[Any]", value: object, expected: str, path: Path, report: Report
) -> object:
    """The value as pydantic makes it, or `FAILED`."""
    try:
        return adapter.validate_python(value)
    except Exception as error:  # validators are the user's code
        return _refuse(_details(error), error, value, expected, path, report)


def _details(error: Exception) -> "list[ErrorDetails]":
    from pydantic import ValidationError

    return error.errors(include_url=False) if isinstance(error, ValidationError) else []


def _refuse(
    problems: "list[ErrorDetails]", error: Exception, value: object, expected: str, path: Path, report: Report
) -> object:
    for detail in problems:
        where = (*path, *detail["loc"])
        if detail["type"] == "missing":
            report.refuse(where, "a value", "nothing")
        elif detail["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            report.refuse(where, "a known name", "an unknown name")
        elif detail["type"] in ("value_error", "assertion_error"):
            got = shorten(detail["input"])
            report.refuse(where, "a value that its validator accepts", f"{got}: {detail['ctx']['error']}")
        else:
            wanted = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            report.refuse(where, _WORDS.get(wanted.partition(",")[0], wanted), shorten(detail["input"]))
    return FAILED if problems else report.refuse(path, expected, f"{shorten(value)}: {error}")


def _models_in(annotation: object) -> Iterator[type]:
    if is_model(annotation):
        yield cast(type, annotation)
    for part in get_args(annotation):
        yield from _models_in(part)


def _models_at(model: type, step: str | int) -> Iterator[type]:
    fields: Mapping[str, Any] = getattr(model, "__pydantic_fields__", {})
    for name, info in fields.items():
        if step in (name, info.alias, info.validation_alias):
            yield from _models_in(info.annotation)


def _extra(model: type) -> object:
    config: Mapping[str, object] = (
        getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}
    )
    return config.get("extra")
