"""Pieces that pages are made of. Whatever was recorded is put into them as text and attributes, never as HTML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from dalsegno.ui.pages._words import phase_words


class Text(TextElement):
    """An element of some tag with a text in it."""

    def __init__(self, content: str, tag: str = "span", classes: str = "", **attributes: str) -> None:
        super().__init__(tag=tag, text=content)
        dress(self, classes, attributes)


def tag(name: str, classes: str = "", **attributes: str) -> Element:
    """An element that has others in it."""
    found = ui.element(name)
    dress(found, classes, attributes)
    return found


def dress(element: Element, classes: str, attributes: dict[str, str]) -> None:
    """Set classes and attributes; "_" in a name stands for "-"."""
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        element.props[name.strip("_").replace("_", "-")] = value


def link(content: str, href: str, classes: str = "", **attributes: str) -> Text:
    """A link to another of our pages."""
    return Text(content, "a", classes, href=href, **attributes)


def icon(name: str, label: str = "") -> Text:
    """A sign of the icon font; without a label it is only decoration."""
    if label:
        return Text(name, "i", "icon", title=label, aria_label=label)
    return Text(name, "i", "icon", aria_hidden="true")


def phase_mark(phase: str, *, pill: bool = False) -> None:
    """A phase as sign and word."""
    words = phase_words(phase)
    with tag("span", f"phase {phase}{' pill' if pill else ''}", data_testid="phase"):
        icon(words.icon)
        Text(words.word)


def copy(text: str, what: str) -> None:
    """A button that puts a text into the clipboard."""
    with tag(
        "button", "copy", type="button", title=f"Copy {what}", aria_label=f"Copy {what}", data_copy=text
    ):
        icon("content_copy")


def digest(text: str, what: str) -> None:
    """The beginning of a digest, with the whole in the title and on the copy button."""
    with tag("span", "line", style="gap: 2px; display: inline-flex"):
        Text(text[:12], "span", "mono", title=text)
        copy(text, what)


class Button(Element):
    """A button, quiet unless it has the class "primary"."""

    def __init__(
        self,
        content: str,
        on_click: Callable[..., Any] | None = None,
        *,
        sign: str = "",
        classes: str = "",
        **attributes: str,
    ) -> None:
        super().__init__("button")
        dress(self, f"btn {classes}", {"type": "button", **attributes})
        self._content = content
        with self:
            if sign:
                icon(sign)
            self._words = Text(content)
        if on_click is not None:
            self.on("click", on_click, args=[])

    def wait(self, words: str) -> None:
        """Say that something is going on, and take no clicks until it is called with ""."""
        self._words.text = words or self._content
        if words:
            self.props["disabled"] = True
        else:
            self.props.pop("disabled", None)


def fact(name: str) -> Element:
    """A name and, inside of what is returned, what it is; for a list of the class "facts"."""
    Text(name, "dt")
    return tag("dd")


def empty(sign: str, title: str, words: str, command: str = "") -> None:
    """What is shown where there is nothing, and what to do about it."""
    with tag("div", "empty", data_testid="empty"):
        icon(sign)
        Text(title, "h2")
        Text(words, "p")
        if command:
            with tag("div", "line"):
                Text(command, "code")
                copy(command, "the command")


def note(words: str, tone: str = "") -> None:
    """Some words that stand out."""
    Text(words, "div", f"note {tone}", role="alert" if tone == "bad" else "note")
