"""How a unit uses a name, and what else is to be known of a unit, as bits; they are stored, so they never change.

A use is of the chain of attributes that a name begins. "At import" is when the module is executed, "later" in the
bodies of functions.
"""

from typing import Final

RUN: Final = 1
"""The name is needed at run time."""
EAGER: Final = 2
"""It is read at import."""
CALLED: Final = 4
"""It is called at import."""
STATEMENT: Final = 8
"""It is called at import, and nothing is done with the result."""
STORED: Final = 16
"""An item of it is set or deleted at import, or something in it that cannot be named."""
REBOUND: Final = 32
"""The last attribute of the chain is set or deleted at import."""
DEFINER: Final = 64
"""It is a decorator, a base or a metaclass."""
SOFT: Final = 128
"""It may be missing: it is in an annotation that is kept, or is bound in the body of the class that uses it."""
LATER_STATEMENT: Final = 256
LATER_STORED: Final = 512
LATER_REBOUND: Final = 1024
ANNOTATION: Final = 2048
"""It is in an annotation that has no meaning at run time."""
LOCATED: Final = 4096
"""It is the beginning of a path that is written out, or otherwise known not to do what its name says."""

INSIDE: Final = 8192
"""What is set is not in it, but in something that it holds."""

_LATE: Final = {STATEMENT: LATER_STATEMENT, STORED: LATER_STORED, REBOUND: LATER_REBOUND}


def later(how: int) -> int:
    """What is left of a use when it is in the body of a function."""
    found = how & (DEFINER | LOCATED | INSIDE)
    for early, late in _LATE.items():
        if how & early:
            found |= late
    return found


EVAL: Final = 1
"""Any name of any module may be used."""
NAMESPACE: Final = 2
"""Any name of the module itself may be used."""
SOURCE: Final = 4
"""The text of code is read."""
DOCS: Final = 8
"""Docstrings are read."""
ANNOTATIONS: Final = 16
"""Annotations are read."""
LOCATOR: Final = 32
"""Any data file may be used."""
SCRIPT: Final = 64
"""It is the block of a module that is only executed when the module is a program."""
CALLS_PARAMETER: Final = 128
"""A function in it calls something that it was given."""
MUTABLE: Final = 256
"""It is a class or function that holds something that can change: a list, a default that is one."""
HOOK: Final = 512
"""It is a class that does something when others are derived from it, or a metaclass."""
GUARDED: Final = 1024
"""Imports in it may fail."""
DECORATED: Final = 2048
FOLDER: Final = 4096
"""Its value is a folder beside the code."""
CALLER: Final = 8192
"""It calls functions that it is given to something of the standard library, at import."""
UNKNOWN_CALL: Final = 16384
"""At import it calls something that has no name."""
CHANGES_PARAMETER: Final = 65536
"""A function in it sets attributes of something that it was given."""
RESULT: Final = 32768
"""Its value is the result of one call."""
