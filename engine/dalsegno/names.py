"""Names that people give: which are allowed, and how one is made up."""

from base64 import b32encode
from secrets import token_bytes

from dalsegno.errors import InvalidNameError

__all__ = ["check_name", "check_text", "made_up"]

LONGEST = 128
"""The longest name in UTF-8 bytes; project, domain and name together fit one key of a store."""


def check_name(what: str, name: object) -> str:
    """`name`, if it can be the name of a run, project, domain or label.

    Allowed is any printable text of 1 to 128 bytes that does not begin with "-" and has no "/" and no white
    space at its ends. Raises InvalidNameError naming `what` and the rule that was broken.
    """
    if not isinstance(name, str):
        raise InvalidNameError(what, str(name), f"it is {type(name).__name__}, not text")
    if not name:
        raise InvalidNameError(what, name, "it is empty")
    check_text(what, name)
    if "/" in name:
        raise InvalidNameError(what, name, "it has a '/'")
    if name.startswith("-"):
        raise InvalidNameError(what, name, "it begins with '-', which a command line takes for an option")
    if name != name.strip():
        raise InvalidNameError(what, name, "it begins or ends with a space")
    return name


def check_text(what: str, text: str) -> str:
    """`text`, if it is printable and has at most 128 bytes; InvalidNameError otherwise."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidNameError(what, text, "it is not valid Unicode text") from None
    if size > LONGEST:
        raise InvalidNameError(what, text[:24] + "…", f"it has {size} bytes, at most {LONGEST} are allowed")
    if not text.isprintable():
        raise InvalidNameError(what, text, "it has control or invisible characters")
    return text


def made_up() -> str:
    """A new run name: `r` and twelve letters and digits, 60 random bits."""
    return "r" + b32encode(token_bytes(8)).decode("ascii").lower()[:12]
