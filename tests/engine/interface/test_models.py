"""Pydantic models and constraints."""

import dataclasses
from typing import Annotated, Any

import pydantic
import pytest

from dalsegno._convert import FAILED, Report, Source, kind_of, take


class Inner(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    width: int


class Cfg(pydantic.BaseModel):
    rate: float
    inner: Inner | None = None
    calls: int = pydantic.Field(default=0, alias="callCount")

    @pydantic.field_validator("rate")
    @classmethod
    def doubled(cls, value: float) -> float:
        if value < 0:
            raise ValueError("must not be negative")
        return value * 2


class Wide(Cfg):
    extra: str = "kept"


@pydantic.dataclasses.dataclass
class Checked:
    size: Annotated[int, pydantic.Field(gt=0)]


@dataclasses.dataclass
class Holder:
    cfg: Cfg
    count: Annotated[int, pydantic.Field(ge=1)] = 1


def halved(value: Any) -> Any:
    return value // 2 if isinstance(value, int) else value


def split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def converted(annotation: object, value: object, source: Source = "python") -> tuple[object, str]:
    report = Report("x")
    result = take(kind_of(annotation), value, source, report)
    return result, "; ".join(map(str, report.problems))


@pytest.mark.parametrize("annotation", [Cfg, Cfg | None, Annotated[Cfg, "the settings"]])
def test_instances_are_kept_and_not_validated_again(annotation: object) -> None:
    value = Wide(rate=1.0)
    assert value.rate == 2.0
    assert converted(annotation, value)[0] is value
    assert value.rate == 2.0


def test_a_dict_becomes_a_model_and_is_validated_once() -> None:
    result, problems = converted(list[Cfg], [{"rate": 1, "callCount": 2}])
    assert problems == ""
    assert isinstance(result, list)
    assert result[0] == Cfg.model_construct(rate=2.0, calls=2)


def test_a_model_inside_a_dataclass() -> None:
    result, problems = converted(Holder, {"cfg": {"rate": 1}, "count": 2})
    assert problems == ""
    assert isinstance(result, Holder)
    assert isinstance(result.cfg, Cfg)


def test_typed_json_becomes_a_model() -> None:
    result, problems = converted(Cfg, '{"rate": 0.5}', "text")
    assert problems == ""
    assert isinstance(result, Cfg)


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Cfg, {}, "x.rate: expected a value, got nothing"),
        (Cfg, {"rate": "a"}, "x.rate: expected a number, got 'a' (str)"),
        (Cfg, {"rate": 1, "rat": 2}, "x.rat: expected a known name, got an unknown name"),
        (
            Cfg,
            {"rate": -1},
            "x.rate: expected a value that its validator accepts, got -1 (int): must not be negative",
        ),
        (Cfg, {"rate": 1, "inner": {"width": "a"}}, "x.inner.width: expected an integer, got 'a' (str)"),
        (Cfg, {"rate": "a", "inner": {"width": 1, "more": 2}}, "x.rate: expected a number, got 'a' (str)"),
        (Cfg, 5, "x: expected dictionary or instance of Cfg, got 5 (int)"),
        (Checked, {"size": 0}, "x.size: expected greater than 0, got 0 (int)"),
        (
            Holder,
            {"cfg": {}, "count": 0},
            (
                "x.cfg.rate: expected a value, got nothing; "
                "x.count: expected greater than or equal to 1, got 0 (int)"
            ),
        ),
        (Annotated[int, pydantic.Field(gt=0)], "5", "x: expected an integer, got '5' (str)"),
        (Annotated[int, pydantic.Field(gt=0)], -5, "x: expected greater than 0, got -5 (int)"),
    ],
    ids=repr,
)
def test_what_a_model_refuses(annotation: object, value: object, message: str) -> None:
    assert converted(annotation, value) == (FAILED, message)


def test_a_model_that_allows_any_name_keeps_it() -> None:
    inner, problems = converted(Inner, {"width": 1, "more": 2})
    assert problems == ""
    assert isinstance(inner, Inner)
    assert inner.model_extra == {"more": 2}
    nested, problems = converted(Cfg, {"rate": 1, "inner": {"width": 1, "more": 2}})
    assert problems == ""
    assert isinstance(nested, Cfg)
    assert nested.inner == inner


def test_constraints_see_the_converted_value() -> None:
    assert converted(Annotated[float, pydantic.Field(gt=0)], 3) == (3.0, "")
    assert converted(Annotated[int, pydantic.Field(gt=0)], "3", "text") == (3, "")


def test_validators_are_applied_once() -> None:
    assert converted(Annotated[int, pydantic.AfterValidator(halved)], 8) == (4, "")
    assert converted(Annotated[list[str], pydantic.BeforeValidator(split)], "a,b") == (["a", "b"], "")


def test_a_class_that_pydantic_knows() -> None:
    result, problems = converted(pydantic.AnyUrl, "https://example.org/a", "text")
    assert problems == ""
    assert result == pydantic.AnyUrl("https://example.org/a")
