"""Ordered bytes, content addressing, integrity."""

from dalsegno_storage.digest import format_digest, parse_digest, short
from dalsegno_storage.errors import StoreError
from dalsegno_storage.keys import pack, prefix, successor, unpack
from dalsegno_storage.objects import Prepared, get_object, has_object, object_key, prepare, put_object
from dalsegno_storage.open import open_store
from dalsegno_storage.protocol import MAX_KEY, Reader, Store, Writer

__all__ = [
    "MAX_KEY",
    "Prepared",
    "Reader",
    "Store",
    "StoreError",
    "Writer",
    "format_digest",
    "get_object",
    "has_object",
    "object_key",
    "open_store",
    "pack",
    "parse_digest",
    "prefix",
    "prepare",
    "put_object",
    "short",
    "successor",
    "unpack",
]
