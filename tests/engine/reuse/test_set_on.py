"""Functions, classes and opaque values among the inputs: what was set on them counts, and pickles are never equal."""

import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dalsegno import Engine, Run, TaskEnvironment
from dalsegno._attributes import Attributes

Play = Callable[..., Any]
env = TaskEnvironment("set_on")


def helper() -> int:
    return 1


@dataclass
class Config:
    rate: int = 1


class Base:
    factor = 1
    table = [1, 2]


class Derived(Base):
    """Has an attribute of its own."""

    own: int = 3


class Opaque:
    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:
        return Opaque, (self.number,)


@env.task
def takes(thing: Any) -> str:
    return f"{getattr(thing, 'rate', 0)} {getattr(thing, 'n', 0)}"


@env.task
async def passes(thing: Any, again: int = 0) -> str:
    return await takes.aio(thing)


@pytest.fixture
def backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """What the tests set is taken away again."""
    things = (helper, Config, Base, Derived)
    before = [dict(vars(thing)) for thing in things]
    table = list(Base.table)
    yield
    Base.table[:] = table
    for thing, attributes in zip(things, before, strict=True):
        for name in set(vars(thing)) - attributes.keys():
            delattr(thing, name)
        for name, value in attributes.items():
            if not name.startswith("__") and vars(thing)[name] is not value:
                setattr(thing, name, value)


def executed(run: Run[Any]) -> list[str]:
    return [action.task.partition(".")[2] for action in run.actions() if action.phase == "succeeded"]


def set_number() -> None:
    vars(helper)["n"] = 5


def set_generator() -> None:
    vars(helper)["n"] = (number for number in [1])


CHANGES: dict[str, tuple[Any, Callable[[], object]]] = {
    "an attribute of a function": (helper, set_number),
    "an attribute of a function without bytes": (helper, set_generator),
    "a new attribute of a class": (Config, lambda: setattr(Config, "n", 5)),
    "a new attribute of the class of a value": (Config(), lambda: setattr(Config, "n", 5)),
    "an attribute that the body binds": (Config(), lambda: setattr(Config, "rate", 5)),
    "an attribute of a base": (Derived, lambda: setattr(Base, "factor", 5)),
    "something in an attribute of a base": (Derived, lambda: Base.table.append(3)),
    "an attribute of another type": (Derived, lambda: setattr(Derived, "own", 3.0)),
    "in a container": ([{"f": helper}], set_number),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_set_on_functions_and_classes_counts(play: Play, case: str) -> None:
    thing, change = CHANGES[case]

    async def story(engine: Engine) -> None:
        await (await engine.with_runcontext(name="first").run(passes, thing)).wait.aio()
        for changed in (False, True):
            if changed:
                change()
            again = await engine.rerun("first", task_template=passes, recover=True, thing=thing)
            await again.wait.aio()
            assert executed(again) == (["passes", "takes"] if changed else [])
        last = await engine.rerun(again.name, task_template=passes, recover=True, thing=thing)
        await last.wait.aio()
        assert executed(last) == (["passes", "takes"] if "without bytes" in case else [])

    play(story)


def test_what_was_pickled_is_never_equal(play: Play) -> None:
    async def story(engine: Engine) -> None:
        thing = Opaque(1)
        await (await engine.with_runcontext(name="first").run(passes, thing)).wait.aio()
        for options in ({}, {"again": 1}, {"thing": thing}, {"task_template": passes}):
            again = await engine.rerun("first", recover=True, **options)
            await again.wait.aio()
            assert executed(again) == ["passes", "takes"]

    play(story)


TEXT = """
class Plain:
    number: int = 1
    text = "a"
    items = [1, (2, 3)]
    made = list()
    declared: int
    if number:
        maybe = 1
    number_again = 1
    number_again = 2
    def method(self): pass
    class Inner:
        x = {"a": 1}
import typing, abc
class Pair(typing.NamedTuple):
    first: int = 1
class Abstract(abc.ABC):
    @property
    @abc.abstractmethod
    def n(self): ...
class Meta(type):
    def __new__(cls, name, bases, namespace):
        return super().__new__(cls, name, bases, {**namespace, "made_by_meta": object()})
class Made(metaclass=Meta):
    number = 1
def f(): pass
f.text = "x"
"""


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("Plain", "", []),
        ("Plain.Inner", "", []),
        ("Pair", "", []),
        ("Abstract", "", []),
        ("Made", "", []),
        ("Plain.method", "", []),
        ("missing", "", []),
        ("f", "", ["text"]),
        ("Plain", "Plain.number = True", ["Plain.number"]),
        ("Plain", "Plain.items[1] = 2", ["Plain.items"]),
        ("Plain", "Plain.declared = 1", ["Plain.declared"]),
        ("Plain", "Plain.new = f", []),
        ("Plain", "Plain.new = object()", ["Plain.new"]),
        ("Plain.Inner", "Plain.Inner.x['a'] = 2", ["Plain.Inner.x"]),
        ("Made", "Made.number = 2", ["Made.number"]),
        ("Made", "Made.other = 2", []),
    ],
)
def test_what_counts_as_set(
    monkeypatch: pytest.MonkeyPatch, name: str, change: str, expected: list[str]
) -> None:
    module = types.ModuleType("made_up_set_on")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(f"{TEXT}\n{change}", vars(module))
    found = Attributes(lambda each: TEXT.encode() if each == module.__name__ else b"").of(module, name)
    assert [attribute for attribute, _ in found] == expected


def test_without_a_text_nothing_is_said() -> None:
    assert list(Attributes(lambda _: b"").of(sys.modules[__name__], "Config")) == []
    assert list(Attributes(lambda _: b"def (:").of(sys.modules[__name__], "Config")) == []
