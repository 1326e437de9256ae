"""What one run knows to be secret, and its texts without that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from dalsegno._context import current
from dalsegno._redaction import MASK, Redactor, names_secret
from dalsegno.errors import UsageError


class Secrets:
    """Takes secrets out of the texts of one run before they are recorded.

    Beside what looks like a secret these are the values of variables that hold one: those that the run sets, and those
    of the process, which are looked up anew each time, since code may load them from a file.
    """

    def __init__(self, redactor: Redactor, variables: Mapping[str, str]) -> None:
        self.redactor = redactor
        self._own = frozenset(value for name, value in variables.items() if redactor.hides(name, value))
        self._known: tuple[frozenset[str], tuple[str, ...]] = (frozenset(), ())

    def __call__(self, text: str, more: Iterable[str] = ()) -> str:
        """The text without secrets; `more` are values that are secret besides."""
        values = self._own.union(_of_the_process(self.redactor), more)
        known, forms = self._known
        if values != known:
            forms = self.redactor.known(values)
            self._known = values, forms
        return self.redactor(text, forms)


def recorded(redactor: Redactor, variables: Mapping[str, str]) -> dict[str, str]:
    """Variables as a record keeps them: `MASK` in the place of a value that is not to be kept."""
    return {name: MASK if redactor.hides(name, value) else value for name, value in variables.items()}


def given_again(run: str, recorded: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The variables of a recorded run under those that are given now; UsageError where the value of one is missing.

    A value that was not kept is that of the process, unless it is given.
    """
    variables = {**recorded, **given}
    missing = []
    for name, value in recorded.items():
        if value == MASK and name not in given:
            variables[name] = os.environ.get(name, MASK)
            missing += [name] if variables[name] == MASK else []
    if missing:
        names = ", ".join(missing)
        raise UsageError(
            f"run {run!r} was given {names} as environment variable, whose value is a secret and was not recorded; give "
            f"it again with env_vars= or --env, or set it in the environment of this process"
        )
    return variables


def restored(recorded: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The variables of a recorded task, with those that were not kept as its code sets them now, or the process.

    One that neither sets is left out; it can be given for the run.
    """
    found = {
        name: known.get(name, os.environ.get(name)) if value == MASK else value
        for name, value in recorded.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def digest_of(name: str, value: str) -> bytes:
    """What stands for the value of a variable when results are compared."""
    data = value.encode("utf-8", "surrogateescape")
    return hashlib.sha256(data).digest()[:16] if is_shown(name, value) else digest_of_secret(name, value)


@lru_cache(256)
def digest_of_secret(name: str, value: str) -> bytes:
    """The same for a secret: it takes so long to make that short secrets cannot be guessed by the million.

    Without a key, so that stores can be compared; salted with the name.
    """
    data = value.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(
        data, salt=b"dalsegno\0" + name.encode("utf-8", "surrogateescape"), n=1 << 12, r=8, p=1, dklen=16
    )


@lru_cache(4096)
def is_shown(name: str, value: str) -> bool:
    """Whether the value of a variable does not look like a secret, by the shapes that are known everywhere."""
    return not _EVERYWHERE.hides(name, value)


_EVERYWHERE = Redactor()


def of_inputs(values: Mapping[str, object]) -> Iterator[str]:
    """The texts among the inputs of a call that are secrets by their name or by their type."""
    for name, value in values.items():
        reveal = getattr(value, "get_secret_value", None)  # pydantic's SecretStr and SecretBytes
        content = value if reveal is None else reveal()
        if isinstance(content, str) and (reveal is not None or names_secret(name)):
            yield content


def _of_the_process(redactor: Redactor) -> Iterator[str]:
    token = current.set(None)  # so that `os.environ` is that of the process
    try:
        process = dict(os.environ)
    finally:
        current.reset(token)
    return (value for name, value in process.items() if names_secret(name) and redactor.hides(name, value))
