"""The fields of the launch form: one per input, made from its schema and filled with the recorded value.

A field that nobody touched gives nothing, so that the stored value itself is passed on; one that is set back to what it was
is untouched again. Values are compared and sent as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import ui
from nicegui.element import Element

from dalsegno.ui.pages._components import JsonField, ValueView
from dalsegno.ui.pages._elements import Text, icon, tag
from dalsegno.ui.pages._kinds import Shape, shape_of, words_of
from dalsegno.ui.pages._text_form import NoTextFormError, text_form
from dalsegno.ui.pages._values import node

NONE = "None"

_PICKED = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?")
"""What fields for dates and times can show; a time with a zone or a part of a second would be an empty field."""


class Bad:
    """A text that stands where JSON is wanted, and is none."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bad) and other.text == self.text

    __hash__ = None  # type: ignore[assignment]  # compared, never kept in a set


class Field:
    """One input of the form."""

    def __init__(
        self,
        name: str,
        type_text: str,
        schema: dict[str, Any],
        recorded: Any,
        on_change: Callable[[], object],
    ) -> None:
        self.name = name
        self._type = type_text
        self._schema = schema
        self._recorded = recorded
        self._on_change = on_change
        self._shape = shape_of(schema)
        try:
            self._first = text_form(recorded)
        except NoTextFormError:
            self._first = None
            self._shape = Shape("kept", self._shape.nullable)
        if self._shape.kind == "choice":
            self._first, self._shape = _chosen(self._first, self._shape)
        is_day = self._shape.kind in ("date", "time") and isinstance(self._first, str)
        if is_day and not _PICKED.fullmatch(self._first):
            self._shape = Shape("text", self._shape.nullable)
        if not _fits(self._shape, self._first):
            self._shape = Shape("json", self._shape.nullable)
        self._value: Any = self._first
        self._replaced = False

    @property
    def changed(self) -> bool:
        """Whether another value is wanted than the stored one."""
        if self._shape.kind == "kept":
            return self._replaced
        return type(self._value) is not type(self._first) or bool(self._value != self._first)

    @property
    def value(self) -> Any:
        """The new value as JSON; only for a changed field whose `broken` is ""."""
        return self._value

    @property
    def broken(self) -> str:
        """Why the value cannot even be sent, "" if it can."""
        return f"this is not JSON: {self._value.text}" if isinstance(self._value, Bad) else ""

    def build(self) -> None:
        """Put it on the page."""
        with tag("div", "field", data_testid=f"field-{self.name}") as self._box:
            with tag("div", "field-head"):
                Text(self.name, "label", "mono", id=f"label-{self.name}")
                Text(self._type, "span", "faint mono cut", title=self._type)
                tag("span", "grow")
                self._changed_mark = Text("changed", "span", "chip changed hidden")
                self._reset = tag("button", "plain hidden", type="button", title="Back to the recorded value")
                with self._reset:
                    icon("undo", f"Reset {self.name}")
                self._reset.on("click", self.reset, args=[])
            self._place = tag("div")
            self._problem = Text(
                "", "div", "field-problem hidden", role="alert", data_testid=f"problem-{self.name}"
            )
            if words := words_of(self._schema):
                Text(words, "div", "faint field-words")
        self._fill()

    def say(self, problem: str) -> None:
        """Show what is wrong with it, "" for nothing."""
        self._problem.text = problem
        self._problem.classes(**{"remove" if problem else "add": "hidden"})
        self._box.classes(**{"add" if problem else "remove": "wrong"})

    def reset(self) -> None:
        """Back to the stored value."""
        self._value = self._first
        self._replaced = False
        self._fill()
        self._note()

    def _put(self, value: Any) -> None:
        self._value = value
        self._note()

    def _note(self) -> None:
        changed = self.changed
        for each in (self._changed_mark, self._reset):
            each.classes(**{"remove" if changed else "add": "hidden"})
        self._box.classes(**{"add" if changed else "remove": "changed"})
        self._on_change()

    def _fill(self) -> None:
        self._place.clear()
        with self._place:
            made = _MAKERS[self._shape.kind](self)
            if isinstance(made, Element):
                made.props["aria-labelledby"] = f"label-{self.name}"

    # One maker per kind of field.

    def _switch(self) -> Element:
        with tag("div", "line"):
            made = ui.switch(value=bool(self._value))
            word = Text(str(bool(self._value)), "span", "mono soft")

        def put(value: bool) -> None:
            word.text = str(value)
            self._put(value)

        made.on_value_change(lambda event: put(bool(event.value)))
        return made.props("dense")

    def _choice(self) -> Element:
        choices = [*self._shape.choices, *([None] if self._shape.nullable else [])]
        words = {index: NONE if each is None else str(each) for index, each in enumerate(choices)}
        at = next((index for index, each in enumerate(choices) if _same(each, self._value)), None)
        made = ui.select(words, value=at, on_change=lambda event: self._put(choices[event.value]))
        return made.props("outlined dense")

    def _number(self) -> Element:
        text = "" if self._value is None else json.dumps(self._value)
        made = ui.input(
            value=text,
            placeholder=NONE if self._shape.nullable else "",
            on_change=lambda event: self._put(_number(event.value)),
        )
        return made.props("outlined dense inputmode=decimal").classes("mono-field")

    def _text(self) -> Element:
        with tag("div", "line"):
            long = isinstance(self._value, str) and ("\n" in self._value or len(self._value) > 90)
            make = ui.textarea if long else ui.input
            made = make(
                value="" if self._value is None else str(self._value),
                placeholder=NONE if self._value is None else "empty",
                on_change=lambda event: self._put(event.value or ""),
            )
            made.props("outlined dense autogrow" if long else "outlined dense").classes("grow")
            if self._shape.nullable:
                none = tag("button", "btn small", type="button", title="Pass None")
                with none:
                    Text(NONE)
                none.on("click", self._none, args=[])
        return made

    def _none(self) -> None:
        self._value = None
        self._fill()
        self._note()

    def _day(self) -> Element:
        made = ui.input(
            value="" if self._value is None else str(self._value),
            on_change=lambda event: self._put(event.value or (None if self._shape.nullable else "")),
        )
        more = "type=time step=1" if self._shape.kind == "time" else "type=date"
        return made.props(f"outlined dense {more}").style("max-width: 220px")

    def _list(self) -> Element:
        number = self._shape.item == "number"
        shown = [json.dumps(each) if number else each for each in self._value or ()]
        typed = ""

        def put(values: list[str] | None) -> None:
            self._put([_number(each) if number else each for each in values or ()])

        def note(text: str | None) -> None:
            nonlocal typed
            typed = text or ""

        def take() -> None:
            """What was typed counts when the field is left, too."""
            if typed:
                made.value = [*(made.value or ()), typed]

        made = ui.input_chips(value=shown, new_value_mode="add", on_change=lambda event: put(event.value))
        made.on("input-value", lambda event: note(event.args))
        made.on("blur", take, args=[])
        return made.props("outlined dense" if shown else 'outlined dense placeholder="type and press Enter"')

    def _json(self) -> Element:
        return JsonField(_pretty(self._value), on_change=lambda text: self._put(_parsed(text)))

    def _kept(self) -> Element:
        with tag("div", "kept") as made:
            if self._replaced:
                self._json()
            else:
                with tag("div", "line"):
                    Text("kept as it is stored", "span", "chip")
                    tag("span", "grow")
                    replace = tag("button", "btn small", type="button")
                    with replace:
                        Text("Replace by JSON")
                    replace.on("click", self._replace, args=[])
                with tag("div", "kept-value"):
                    ValueView(node(self._recorded))
        return made

    def _replace(self) -> None:
        self._replaced = True
        self._value = None
        self._fill()
        self._note()


_MAKERS: dict[str, Callable[[Field], Element]] = {
    "switch": Field._switch,
    "choice": Field._choice,
    "number": Field._number,
    "text": Field._text,
    "date": Field._day,
    "time": Field._day,
    "list": Field._list,
    "json": Field._json,
    "kept": Field._kept,
}


def _fits(shape: Shape, value: Any) -> bool:
    """Whether the field can show the value; it may be of another kind than the schema says, in code without types."""
    if value is None:
        return shape.nullable or shape.kind in ("kept", "json")
    match shape.kind:
        case "switch":
            return isinstance(value, bool)
        case "choice":
            return any(_same(each, value) for each in shape.choices)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "text" | "date" | "time":
            return isinstance(value, str)
        case "list":
            kind = str if shape.item == "text" else (int, float)
            return (
                isinstance(value, list)
                and len(value) <= 100
                and all(isinstance(each, kind) for each in value)
            )
    return True


def _chosen(value: Any, shape: Shape) -> tuple[Any, Shape]:
    """A recorded choice as one of those of the schema, which has the values of an enum where the record has the name."""
    if not isinstance(value, str) or value in shape.choices:
        return value, shape
    alike = [each for each in shape.choices if str(each).lower() == value.lower()]
    if len(alike) == 1:
        return alike[0], shape
    return value, replace(shape, choices=(value, *shape.choices))


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _number(text: str | None) -> Any:
    """The number that a text is, else the text itself, which will be refused with the right words."""
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, (int, float)) and not isinstance(found, bool) else text


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError) as error:
        return Bad(str(error))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
