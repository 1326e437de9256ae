"""Interfaces of functions: what can be a task, binding, and errors that list everything."""

import dataclasses
import functools
import math
import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dalsegno.errors import InputError, TaskDefinitionError
from dalsegno.interface import MISSING, Interface


@dataclasses.dataclass
class Cfg:
    rate: float


def plain(a: int, b: int = 2, *, c: str = "x") -> int:
    return a


def made(source: str) -> Callable[..., Any]:
    """A function of a module of its own, annotations as text."""
    scope: dict[str, Any] = {"__name__": "some.module"}
    exec(
        "from __future__ import annotations\nfrom typing import *\n" + source, scope
    )  # text of a module is what is tested
    function: Callable[..., Any] = scope["task"]
    return function


def test_inputs_and_defaults() -> None:
    interface = Interface.of(plain, name="env.plain")
    assert [(each.name, each.passing, each.required) for each in interface.inputs] == [
        ("a", "positional", True),
        ("b", "positional", False),
        ("c", "keyword", False),
    ]
    assert [each.default for each in interface.inputs] == [MISSING, 2, "x"]
    assert [each.type_text for each in interface.inputs] == ["int", "int", "str"]
    assert repr(interface) == "<Interface of env.plain: a, b, c>"


@pytest.mark.parametrize(
    ("args", "kwargs", "wanted"),
    [
        ((1,), {}, {"a": 1, "b": 2, "c": "x"}),
        ((1, 3), {"c": "y"}, {"a": 1, "b": 3, "c": "y"}),
        ((), {"c": "y", "a": 1}, {"a": 1, "b": 2, "c": "y"}),
    ],
)
def test_arguments_are_bound_in_order(
    args: tuple[Any, ...], kwargs: dict[str, Any], wanted: dict[str, Any]
) -> None:
    interface = Interface.of(plain, name="env.plain")
    for values in (interface.bind(args, kwargs), interface.accept(args, kwargs)):
        assert list(values.items()) == list(wanted.items())


def test_binding_alone_converts_nothing() -> None:
    assert Interface.of(plain, name="env.plain").bind(("one",), {}) == {"a": "one", "b": 2, "c": "x"}


def test_one_error_lists_every_problem() -> None:
    with pytest.raises(InputError) as caught:
        Interface.of(plain, name="env.plain").accept((1, "2", 3), {"b": 4, "d": 5})
    assert str(caught.value).splitlines() == [
        "4 problems with the inputs of env.plain:",
        "  arguments: expected at most 2 arguments by position (a, b), got 3",
        "  b: expected one value, got two, by position and by name",
        "  d: expected an input of this task (a, b, c), got an unknown name",
        "  b: expected an integer, got '2' (str)",
    ]


def test_missing_inputs_are_named() -> None:
    def task(first: int, second: Cfg, third: list[str]) -> None: ...

    with pytest.raises(InputError) as caught:
        Interface.of(task, name="t").accept((1,), {"thrid": [], "first": 1})
    assert [str(problem) for problem in caught.value.problems] == [
        "thrid: expected an input of this task (first, second, third; did you mean third?), got an unknown name",
        "first: expected one value, got two, by position and by name",
        "second: expected a Cfg or a dict of its fields, got nothing",
        "third: expected a list, got nothing",
    ]


def test_no_inputs_at_all() -> None:
    def task() -> None: ...

    interface = Interface.of(task, name="t")
    assert interface.accept((), {}) == {}
    with pytest.raises(InputError, match="at most 0 arguments by position \\(it takes none\\), got 1"):
        interface.accept((1,), {})


def test_changed_inputs_only() -> None:
    interface = Interface.of(plain, name="env.plain")
    assert interface.convert({"c": "y", "a": "5"}, source="text", partial=True) == {"a": 5, "c": "y"}
    assert interface.convert({"a": 5}) == {"a": 5, "b": 2, "c": "x"}
    assert interface.convert({"a": "5", "b": 3.0}, source={"a": "text", "b": "json"}) == {
        "a": 5,
        "b": 3,
        "c": "x",
    }
    with pytest.raises(InputError, match="d: expected an input of this task"):
        interface.convert({"d": 1}, partial=True)


def test_a_default_is_made_right_like_a_given_value() -> None:
    def task(rate: float = 1, cfg: Optional[Cfg] = None, count: int = None, odd: int = "a") -> None: ...  # type: ignore[assignment]  # noqa: UP045  # as people write it

    interface = Interface.of(task, name="t")
    values = interface.accept((), {})
    assert values == {"rate": 1.0, "cfg": None, "count": None, "odd": "a"}
    assert type(values["rate"]) is float
    assert interface.accept((), {"count": None}) == values
    assert interface.inputs[2].type_text == "int | None"


def starred(*values: int) -> None: ...


def keywords(**values: int) -> None: ...


def bare(a, b: int) -> None:  # type: ignore[no-untyped-def]  # the defect under test
    ...


def number(a: 5) -> None:  # type: ignore[valid-type]  # the defect under test
    ...


def module(a: math) -> None:  # type: ignore[valid-type]  # the defect under test
    ...


def inner_number(a: list[5]) -> None:  # type: ignore[valid-type]  # the defect under test
    ...


def bad_return(a: int) -> 7:  # type: ignore[valid-type]  # the defect under test
    ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            starred,
            (
                "task t cannot take *values, since its inputs must have names that can be recorded; "
                "name each input, or take one list or dict"
            ),
        ),
        (
            keywords,
            (
                "task t cannot take **values, since its inputs must have names that can be recorded; "
                "name each input, or take one list or dict"
            ),
        ),
        (
            bare,
            "task t: parameter 'a' has no type; annotate it, for example `a: int`, or `a: Any` if everything goes",
        ),
        (
            number,
            "task t: parameter 'a' is annotated with 5, which is not a type; write one, for example `int`",
        ),
        (
            inner_number,
            (
                "task t: parameter 'a' is annotated with list[5], which is not a type; write one, "
                "for example `int`"
            ),
        ),
        (
            bad_return,
            (
                "task t: the return value is annotated with 7, which is not a type; write one, "
                "for example `int`"
            ),
        ),
    ],
)
def test_functions_that_cannot_be_tasks(function: Callable[..., object], message: str) -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        Interface.of(function, name="t")
    assert str(caught.value) == message


@pytest.mark.parametrize("annotation", ["math", "'not a type at all'", "5", "list[5]", "Optional"])
def test_texts_that_are_no_types(annotation: str) -> None:
    with pytest.raises(TaskDefinitionError, match="task t: .*parameter 'a'"):
        Interface.of(made(f"import math\ndef task(a: {annotation}) -> None: ..."), name="t")


def test_a_module_is_no_type() -> None:
    with pytest.raises(TaskDefinitionError, match="parameter 'a' is annotated with <module 'math'"):
        Interface.of(module, name="t")


@pytest.mark.parametrize("annotation", [Any, object, Callable[..., int], Generator[int], type, "int | None"])
def test_unusual_types_are_fine(annotation: object) -> None:
    def task(a) -> None: ...  # type: ignore[no-untyped-def]  # annotated below

    task.__annotations__["a"] = annotation
    assert len(Interface.of(task, name="t").inputs) == 1


def test_a_missing_return_annotation_is_anything() -> None:
    def task(a: int):  # type: ignore[no-untyped-def]  # as in plain files of tasks
        ...

    interface = Interface.of(task, name="t")
    assert [(each.name, each.type_text) for each in interface.outputs] == [("o0", "Any")]
    assert interface.pack_outputs(None) == (None,)


def test_annotations_as_text() -> None:
    interface = Interface.of(
        made("def task(a: int, b: list[Later]) -> Later: ...\nclass Later: ..."), name="t"
    )
    assert [each.type_text for each in interface.inputs] == ["int", "list[some.module.Later]"]


def test_names_may_be_defined_after_the_function() -> None:
    scope: dict[str, Any] = {"__name__": "some.module"}
    exec("def task(a: 'list[Later]', b: int) -> 'Later': ...", scope)  # a module in the making
    interface = Interface.of(scope["task"], name="env.task")
    with pytest.raises(TaskDefinitionError) as caught:
        interface.accept(([], 1), {})
    assert str(caught.value) == (
        "task env.task: the type 'list[Later]' of parameter 'a' cannot be found: name 'Later' is not defined; "
        "define or import it in the task's module, not under `if TYPE_CHECKING`"
    )
    exec("class Later: ...", scope)  # a module in the making
    later = scope["Later"]()
    assert interface.accept(([later], 1), {}) == {"a": [later], "b": 1}
    assert interface.outputs[0].type_text == "some.module.Later"


def test_names_that_a_function_closes_over() -> None:
    @dataclasses.dataclass
    class Local:
        a: int

    def task(a: "Local") -> int:
        return Local(1).a

    assert Interface.of(task, name="t").accept(({"a": 1},), {}) == {"a": Local(1)}


def test_wrapped_functions_keep_their_interface() -> None:
    @functools.wraps(plain)
    def wrapper(*args: Any, **kwargs: Any) -> Any: ...

    assert [each.name for each in Interface.of(wrapper, name="t").inputs] == ["a", "b", "c"]


@given(st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), st.sampled_from([0, 1, "", "text"])))
def test_the_error_names_exactly_what_is_wrong(values: dict[str, Any]) -> None:
    interface = Interface.of(plain, name="t")
    types = {"a": int, "b": int, "c": str}
    wrong = {name for name, value in values.items() if type(value) is not types.get(name)} | (
        {"a"} - values.keys()
    )
    if not wrong:
        assert interface.accept((), values) == {"b": 2, "c": "x"} | values
        return
    with pytest.raises(InputError) as caught:
        interface.accept((), values)
    assert {problem.input for problem in caught.value.problems} == wrong


def test_plain_types_need_no_pydantic() -> None:
    program = (
        "import sys, dataclasses, datetime, decimal, enum, pathlib, typing\n"
        "from dalsegno.interface import Interface\n"
        "class Color(enum.Enum):\n    RED = 1\n"
        "@dataclasses.dataclass\nclass Cfg:\n    rate: float\n    color: Color = Color.RED\n"
        "def task(a: int, b: list[float] | None, c: Cfg, d: datetime.date = datetime.date(2024, 1, 1)) -> Cfg: ...\n"
        "task.__module__ = 'm'\n"
        "interface = Interface.of(task, name='t')\n"
        "interface.accept((1, [1], {'rate': 1}), {})\n"
        "record = interface.record(lambda value: b'')\n"
        "Interface.from_record(record, name='t', decode=bytes).options()\n"
        "print('pydantic' in sys.modules, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert done.stdout.split() == ["False", "False"]
