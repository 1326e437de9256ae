"""Where the members of a container lie, so that big ones among them need not be copied to be looked at.

msgpack's unpacker copies each extension that it meets, and what it is fed. Walking in Python costs more per member
than that saves, unless the members are few and big; so a walk gives up after `BUDGET` steps.
"""

import struct

__all__ = ["LARGE", "children", "container"]

LARGE = 65536
"""From this size on it is worth trying."""

BUDGET = 1000

_LENGTH = {1: struct.Struct(">B"), 2: struct.Struct(">H"), 4: struct.Struct(">I")}

# First byte -> bytes after it.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
# First byte -> (size of the length, bytes besides the content).
_SIZED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_SIZED |= {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}
# First byte -> (size of the count, values per member).
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def children(data: memoryview) -> tuple[bool, list[memoryview]] | None:
    """Whether `data` is a map, and its members (of a map: key, value, key, ...); None when another way is better.

    Damaged bytes are None too: the other way says what is wrong with them.
    """
    try:
        place, count, per_member = container(data, 0)
        if not per_member:
            return None
        left = BUDGET
        members = []
        for _ in range(count):
            end, left = _end(data, place, left)
            members.append(data[place:end])
            place = end
    except (IndexError, struct.error):
        return None
    return (per_member == 2, members) if place == len(data) else None


def container(data: memoryview, place: int) -> tuple[int, int, int]:
    """Where the members start, how many values there are, and how many belong together; 0 for no container."""
    first = data[place]
    if first & 0xF0 == 0x90:
        return place + 1, first & 15, 1
    if first & 0xF0 == 0x80:
        return place + 1, 2 * (first & 15), 2
    if first not in _CONTAINERS:
        return place, 0, 0
    size, per_member = _CONTAINERS[first]
    (count,) = _LENGTH[size].unpack_from(data, place + 1)
    return place + 1 + size, count * per_member, per_member


def _end(data: memoryview, place: int, left: int) -> tuple[int, int]:
    """Where the value at `place` ends, and what is left of the budget; IndexError when nothing is."""
    waiting = 1
    while waiting:
        waiting -= 1
        left -= 1
        if not left:
            raise IndexError
        first = data[place]
        if first <= 0x7F or first >= 0xE0:
            place += 1
        elif first & 0xE0 == 0xA0:
            place += 1 + (first & 31)
        elif first in _FIXED:
            place += 1 + _FIXED[first]
        elif first in _SIZED:
            size, more = _SIZED[first]
            place += 1 + size + more + _LENGTH[size].unpack_from(data, place + 1)[0]
        else:
            place, count, per_member = container(data, place)
            if not per_member:
                raise IndexError
            waiting += count
    if place > len(data):
        raise IndexError
    return place, left
