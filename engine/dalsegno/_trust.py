"""What came from elsewhere, and which of it may be executed.

A run that was imported has a record that says so. Nothing of it is executed, and nothing pickled in it is loaded, before
somebody has said of the bundle of its code that it is to be trusted; that is recorded too, by the digest of the bundle.
A run without such a record was recorded by this store itself, and its code is trusted as it is.

A digest says all about the source text of a bundle, and nothing about the values that a run of it has. Pickled values can do
whatever they like when they are loaded. So where an imported run has any, trust counts only if it was given after the import: who
has trusted the bundle before has not seen these. Ids of runs grow, so the newest one at that time tells, and no clock is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dalsegno import _records as records
from dalsegno.errors import UntrustedCodeError
from dalsegno.models import RunRecord
from dalsegno_storage.protocol import Reader

IMPORTS = (b"m", b"n")
"""Where the records of imports begin and end."""

TRUSTS = (b"t", b"u")
"""Where the digests of trusted bundles begin and end."""


class Import(NamedTuple):
    """How a run came here: when, in nanoseconds, from the capsule with which digest, and whether that has pickles."""

    at: int
    capsule: bytes
    pickles: bool


class Trust(NamedTuple):
    """When somebody said that a bundle is to be trusted, in nanoseconds, and the id of the newest run at that time."""

    at: int
    newest: int


def import_key(run_id: int) -> bytes:
    """Where it is noted that a run was imported."""
    return IMPORTS[0] + run_id.to_bytes(8, "big")


def pack_import(imported: Import) -> bytes:
    """The record of an import."""
    return records.pack_record(*imported)


def unpack_import(data: bytes) -> Import:
    """The inverse of `pack_import`."""
    return Import(*records.unpack_record(data, "import"))


def import_of(reader: Reader, run_id: int) -> Import | None:
    """How the run came here; None for one that was recorded here."""
    data = reader.get(import_key(run_id))
    return None if data is None else unpack_import(data)


def imports(reader: Reader) -> Iterator[tuple[int, Import]]:
    """The ids of the imported runs, and how they came here."""
    for key, data in reader.scan(*IMPORTS):
        yield records.run_id_of(key), unpack_import(data)


def trust_key(bundle: bytes) -> bytes:
    """Where it is noted that a bundle is trusted."""
    return TRUSTS[0] + bundle


def pack_trust(trust: Trust) -> bytes:
    """The record of trust."""
    return records.pack_record(*trust)


def unpack_trust(data: bytes) -> Trust:
    """The inverse of `pack_trust`."""
    return Trust(*records.unpack_record(data, "trust"))


def trust_in(reader: Reader, bundle: bytes) -> Trust | None:
    """The trust in a bundle, None when nobody has given any."""
    data = reader.get(trust_key(bundle))
    return None if data is None else unpack_trust(data)


def newest_trusted(reader: Reader) -> int:
    """The highest id of a run that any trust was given after."""
    return max((unpack_trust(data).newest for _, data in reader.scan(*TRUSTS)), default=0)


def is_trusted(reader: Reader, run_id: int, bundle: bytes) -> bool:
    """Whether code of this bundle may be executed for a run, and the run's values be loaded."""
    imported = import_of(reader, run_id)
    if imported is None:
        return True
    trust = trust_in(reader, bundle)
    return trust is not None and (run_id <= trust.newest or not imported.pickles)


def refuse_untrusted(reader: Reader, run: RunRecord, bundle: bytes) -> None:
    """UntrustedCodeError when code of this bundle may not be executed for the run."""
    if not is_trusted(reader, run.id, bundle):
        raise UntrustedCodeError(run.name, bundle.hex(), pickles=trust_in(reader, bundle) is not None)
