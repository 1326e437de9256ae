"""The user's code as data: recorded from live modules, loaded again from the store."""

from dalsegno.bundle._bytecode import fresh_imports
from dalsegno.bundle._files import identities
from dalsegno.bundle._modules import is_user_module, live_module
from dalsegno.bundle.capture import Capture, capture
from dalsegno.bundle.disk import write_files
from dalsegno.bundle.environment import Manifest, differences, installed, manifest, versions
from dalsegno.bundle.loader import How, LoadedBundle, load, recorded_module_name, unload
from dalsegno.bundle.model import Bundle, BundleFile, ReadBlob
from dalsegno.bundle.pickles import importable_name, lookup, pickle_function, unpickle_function

__all__ = [
    "Bundle",
    "BundleFile",
    "Capture",
    "How",
    "LoadedBundle",
    "Manifest",
    "ReadBlob",
    "capture",
    "differences",
    "fresh_imports",
    "identities",
    "importable_name",
    "installed",
    "is_user_module",
    "live_module",
    "load",
    "lookup",
    "manifest",
    "pickle_function",
    "recorded_module_name",
    "unload",
    "unpickle_function",
    "versions",
    "write_files",
]
