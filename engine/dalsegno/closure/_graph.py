"""A graph of things, and the digest of what can be seen in it.

The digest of the graph is that of what can be seen by following edges from the root, so neither the order of sets nor
addresses count. Nodes that lead into no cycle are hashed from the leaves up. The others are hashed all at once, round by
round, each round from the hashes of the round before, until a round tells no more nodes apart than the last did. The set
of those hashes then determines all that the rest of the graph can look like, and goes into the digest of the root. So two
digests are equal exactly when nobody who follows edges can tell the graphs apart.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

__all__ = ["Node", "graph_digest"]


class Node:
    """A thing in the graph: what it is by itself, and the numbers of those that it refers to."""

    __slots__ = ("edges", "label", "ordered")

    def __init__(self) -> None:
        self.label = b""
        self.edges: list[int] = []
        self.ordered = True

    def hashed(self, hashes: Mapping[int, bytes]) -> bytes:
        below = [hashes.get(edge, b"") for edge in self.edges]
        parts = [self.label, *(below if self.ordered else sorted(below))]
        return sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()


def graph_digest(nodes: Sequence[Node], root: int) -> bytes:
    """The digest of what can be seen from the root."""
    above: list[list[int]] = [[] for _ in nodes]
    for number, node in enumerate(nodes):
        for edge in node.edges:
            above[edge].append(number)
    missing = [len(node.edges) for node in nodes]
    ready = [number for number, count in enumerate(missing) if not count]
    hashes: dict[int, bytes] = {}
    while ready:
        number = ready.pop()
        hashes[number] = nodes[number].hashed(hashes)
        for other in above[number]:
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    if root in hashes:
        return hashes[root]
    cyclic = [number for number in range(len(nodes)) if number not in hashes]
    classes, told_apart = 0, 1
    while classes != told_apart:
        classes = told_apart
        hashes |= {number: nodes[number].hashed(hashes) for number in cyclic}
        told_apart = len({hashes[number] for number in cyclic})
    return sha256(b"".join([hashes[root], *sorted({hashes[number] for number in cyclic})])).digest()
