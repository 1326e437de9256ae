"""What looks like a secret in a text, and the text without it; pure.

Two things are taken for secrets: what has the shape of one (an access key, a web token, a private key, the password in
a URL, a value that follows a name such as `password=`), and values that are known to be secret, wherever they stand. For
known values that are short this would make texts unreadable, so they are taken out from `SHORTEST` characters on.

Texts may be large and come fast, and nearly all of them hold no secret. So each shape has *signs*: words without which it
cannot occur, to be looked for first; only then its pattern is tried. No pattern takes more than linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from dalsegno.errors import UsageError

__all__ = ["MASK", "Redact", "Redactor", "SHORTEST", "names_secret", "redactor"]

MASK = "[redacted]"
"""Stands where a secret was."""

SHORTEST = 6
"""Known values of so many characters and more are taken out of texts."""

Redact = bool | Callable[[str], str] | Collection["str | re.Pattern[str]"]
"""What `Engine(redact=…)` takes: False for nothing at all, a function that is called too, or further patterns."""

_FAILED = "[redacted: the engine's redact function failed on this text]"


class _Shape(NamedTuple):
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    instead: str = MASK


_NAMES = (
    r"(?:passw(?:or)?d|passphrase|secret|token(?!s|iz)|credentials?|authorization|"
    r"(?:api|access|private|signing)[_-]?key)"
)

_SHAPES = (
    _Shape(
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
    ),
    # The end of a private key whose beginning is in an earlier text.
    _Shape(
        ("PRIVATE KEY",),
        re.compile(r"\A[A-Za-z0-9+/=\s]*+-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----"),
    ),
    _Shape(("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    _Shape(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"\b(?:gh[opusr]_[A-Za-z0-9]{16,}|github_pat_\w{20,})"),
    ),
    _Shape(
        ("glpat-", "hf_", "npm_", "pypi-", "AIza", "xox"),
        re.compile(
            r"\b(?:glpat-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{32,}|AIza[\w-]{35}|"
            r"xox[abeoprs]-[A-Za-z0-9-]{10,})"
        ),
    ),
    _Shape(
        ("sk-", "k_live_", "k_test_"),
        re.compile(r"\b(?:sk-[\w-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,})"),
    ),
    _Shape(("eyJ",), re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")),
    _Shape(("://",), re.compile(r"(://[^\s/:@?#\"'<>]{0,256}:)[^\s/\"'<>]{1,1024}@"), rf"\1{MASK}@"),
)
"""Shapes of which every letter counts."""

_WORDY = (
    _Shape(("bearer ", "basic "), re.compile(r"(?i)\b(bearer|basic) +[\w.~+/-]{8,}=*"), rf"\1 {MASK}"),
    _Shape(
        ("passw", "passphrase", "secret", "token", "credential", "authorization", "key"),
        re.compile(
            rf"(?i)({_NAMES}[a-z0-9_-]{{0,24}}+(?:\\?[\"'])?\s{{0,4}}(?:[:=]|=>)\s{{0,4}})"
            r"(?!(?:None|True|False|null)\b|\d{1,3}(?!\w)|[\"']?\[redacted|(?:bearer|basic) )"
            r"(?:[bfru]?(\\?\"|\\?')(?!\2)(?>[^\n]{1,4096}?(?=\2|\n|\Z))(?:\2)?|"
            r"(?>[^\s,;(){}\[\]\"'<>]+)(?![(\[]))"
        ),
        rf"\1{MASK}",
    ),
    _Shape(("--",), re.compile(rf"(?i)(--(?:[a-z]+-)?{_NAMES}\s+)[^\s-]\S*"), rf"\1{MASK}"),
)
"""Those that may be written in capitals or not; their signs are in small letters."""

_SECRET_NAME = re.compile(
    r"(?i)passw(?:or)?d|passphrase|(?:^|[_.-])pass(?:$|[_.-])|secret|token(?!s|iz)|credential|authorization|"
    r"(?:api|access|private|signing|encryption|master|account|storage|service|deploy)[_.-]?key|(?:^|[_.-])dsn$"
)
_OF_NO_SECRET = re.compile(
    r"(?i)[_.-](?:file|path|dir|url|uri|endpoint|name|type|length|limit|ttl|count|version|sock)$"
)
_NO_SECRET = re.compile(r"(?i)\s*(?:|none|null|true|false|yes|no|on|off|\d{1,3})\s*\Z")


@lru_cache(4096)
def names_secret(name: str) -> bool:
    """Whether a variable or an input of this name is likely to hold a secret."""
    return _SECRET_NAME.search(name) is not None and _OF_NO_SECRET.search(name) is None


class Redactor:
    """Takes secrets out of texts: the shapes known here, `patterns`, and what `function` takes out besides."""

    def __init__(
        self,
        patterns: Iterable[re.Pattern[str]] = (),
        function: Callable[[str], str] | None = None,
        *,
        on: bool = True,
    ) -> None:
        self._patterns = tuple(patterns)
        self._function = function
        self._on = on

    def __call__(self, text: str, values: Iterable[str] = ()) -> str:
        """The text with `MASK` where secrets were; `values` are those that are known, each with the forms `known` gives."""
        if not self._on or not text:
            return text
        for value in values:
            if value in text:
                text = text.replace(value, MASK)
        small = text.lower()
        for shapes, looked in ((_SHAPES, text), (_WORDY, small)):
            for signs, pattern, instead in shapes:
                for sign in signs:
                    if sign in looked:
                        text = pattern.sub(instead, text)
                        break
        for pattern in self._patterns:
            text = pattern.sub(MASK, text)
        if self._function is not None:
            try:
                text = str(self._function(text))
            except Exception:  # it is the user's; what it was to look at must not be kept unseen
                text = _FAILED
        return text

    def setting(self) -> bool | list[str]:
        """The same for an engine in another process; UsageError where that cannot be said."""
        if self._function is not None:
            raise UsageError(
                "a process of its own cannot be given the engine's redact function; say what is to be kept out with patterns"
            )
        return [f"(?{_flags(each)}){each.pattern}" for each in self._patterns] if self._patterns else self._on

    def hides(self, name: str, value: str) -> bool:
        """Whether the variable or input of that name has a value that is not to be kept."""
        if not self._on or _NO_SECRET.match(value):
            return False
        return names_secret(name) or self(value) != value

    def known(self, values: Iterable[str]) -> tuple[str, ...]:
        """Secret values in the forms in which they may stand in a text, the longest first."""
        if not self._on:
            return ()
        forms: set[str] = set()
        for value in values:
            for line in (value, *value.splitlines()):
                line = line.strip()
                if len(line) >= SHORTEST:
                    forms.update((line, repr(line)[1:-1], line.replace("\\", "\\\\").replace('"', '\\"')))
        return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _flags(pattern: re.Pattern[str]) -> str:
    letters = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "a": re.ASCII}
    return "".join(letter for letter, flag in letters.items() if pattern.flags & flag) or "u"


def redactor(setting: Any) -> Redactor:
    """The redactor that an engine's setting means; TypeError for one that means nothing."""
    if isinstance(setting, bool):
        return Redactor(on=setting)
    if callable(setting):
        return Redactor(function=setting)
    if isinstance(setting, Collection) and not isinstance(setting, (str, bytes)):
        try:
            return Redactor(re.compile(pattern) for pattern in setting)
        except (re.error, TypeError) as error:
            raise TypeError(f"redact has a pattern that cannot be read: {error}") from error
    raise TypeError(
        f"redact is True, False, a function from text to text, or a list of patterns, not {setting!r}"
    )
