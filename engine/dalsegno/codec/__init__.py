"""Values as canonical bytes: equal values give equal bytes, different ones different bytes.

`encode` and `decode` are each other's inverse; `encode_map`, `join_map` and `split_map` put named values side by
side; `view` shows bytes without loading anything. `ValueCodec` and `register` are for types of other packages.
"""

from ._decode import ReadBlob, decode
from ._encode import BlobSource, Encoded, encode
from ._exact import Content, exact_view
from ._format import Buffer, ModuleName
from ._immutable import is_immutable
from ._maps import join_map, split_map
from ._named import Each, encode_each, encode_map, packed_map
from ._reference import Resolve, default_resolve
from ._registry import ValueCodec, register
from ._view import view

__all__ = [
    "BlobSource",
    "Buffer",
    "Content",
    "Each",
    "Encoded",
    "ModuleName",
    "ReadBlob",
    "Resolve",
    "ValueCodec",
    "decode",
    "default_resolve",
    "encode",
    "encode_each",
    "encode_map",
    "exact_view",
    "is_immutable",
    "join_map",
    "packed_map",
    "register",
    "split_map",
    "view",
]
