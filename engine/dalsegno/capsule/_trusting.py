"""Saying of imported code that it may be executed."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno._listing import run_of
from dalsegno._trust import Trust, imports, is_trusted, pack_trust, trust_key
from dalsegno.errors import NotFoundError, UsageError
from dalsegno_storage.check import kind_of
from dalsegno_storage.objects import object_key
from dalsegno_storage.protocol import Reader, Store

SHORTEST = 12
"""So many digits of a digest name a bundle."""


class Foreign(NamedTuple):
    """Code that came with imported runs: the digest of the bundle in hexadecimal, the names of the runs, whether these can be
    executed, and whether any of them came in a capsule with pickled values, which would be loaded."""

    digest: str
    runs: tuple[str, ...]
    trusted: bool
    pickles: bool


def foreign(store: Store) -> list[Foreign]:
    """The bundles of all imported runs, in the order of their digests."""
    with store.read() as reader:
        return _foreign(reader)


def trust(store: Store, digest: str) -> Foreign:
    """Let code of a bundle be executed for the runs that were imported with it, and note that in the store.

    The first 12 digits of the digest are enough. It holds for runs that are imported later too, unless there are pickled
    values among theirs: those can do what they like when they are loaded, and the digest says nothing about them.
    """
    with store.write() as writer:
        bundle = _bundle(writer, digest)
        newest = next(iter(writer.scan(*records.RUNS, reverse=True)), None)
        run_id = 0 if newest is None else records.run_id_of(newest[0])
        writer.put(trust_key(bundle), pack_trust(Trust(time.time_ns(), run_id)))
        return _one(writer, bundle)


def revoke(store: Store, digest: str) -> Foreign:
    """Take trust in a bundle back; what was executed meanwhile stays, and stays executable: see `made_here`."""
    with store.write() as writer:
        bundle = _bundle(writer, digest)
        writer.delete(trust_key(bundle))
        return _one(writer, bundle)


def made_here(store: Store, digest: str) -> list[str]:
    """The names of the runs that were executed here with the code of an imported bundle, oldest first; all runs are looked at.

    They can be executed again whether it is still trusted or not, until they are deleted.
    """
    with store.read() as reader:
        bundle = _bundle(reader, digest)
        known = {run_id for run_id, _ in imports(reader)}
        found = (records.unpack_run(records.run_id_of(key), data) for key, data in reader.scan(*records.RUNS))
        return [run.name for run in found if run.bundle == bundle and run.id not in known]


def _foreign(reader: Reader) -> list[Foreign]:
    found: dict[bytes, list[tuple[str, bool, bool]]] = {}
    for run_id, imported in list(imports(reader)):
        run = run_of(reader, run_id)
        trusted = is_trusted(reader, run_id, run.bundle)
        found.setdefault(run.bundle, []).append((run.name, trusted, imported.pickles))
    return [
        Foreign(
            bundle.hex(),
            tuple(name for name, _, _ in runs),
            all(trusted for _, trusted, _ in runs),
            any(pickles for _, _, pickles in runs),
        )
        for bundle, runs in sorted(found.items())
    ]


def _one(reader: Reader, bundle: bytes) -> Foreign:
    for each in _foreign(reader):
        if each.digest == bundle.hex():
            return each
    return Foreign(bundle.hex(), (), True, False)


def _bundle(reader: Reader, digest: str) -> bytes:
    if not isinstance(digest, str) or not re.fullmatch(f"[0-9a-f]{{{SHORTEST},64}}", digest):
        raise UsageError(
            f"a bundle is named by {SHORTEST} to 64 hexadecimal digits of its digest, not {digest!r}; "
            "`dalsegno trust` lists those that were imported"
        )
    if len(digest) == 64:
        record = reader.get(object_key(bytes.fromhex(digest)))
        if record is not None and kind_of(record) == "bundle":
            return bytes.fromhex(digest)
    known = [each.digest for each in _foreign(reader)]
    matching = [each for each in known if each.startswith(digest)]
    if len(matching) > 1:
        raise UsageError(
            f"{digest!r} begins the digests of several bundles: {', '.join(matching)}; give more digits"
        )
    if not matching:
        raise NotFoundError(digest, (), "this store", "import the capsule that has the bundle first")
    return bytes.fromhex(matching[0])
