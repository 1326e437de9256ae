"""What is known of builtins, of the standard library and of a few packages; names are dotted, as they are imported."""

import re
import sys
from collections.abc import Mapping
from typing import Final

from dalsegno.closure._bits import ANNOTATIONS, CALLER, DOCS, EVAL, LOCATOR, NAMESPACE, SOURCE

FLAGS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        (
            "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__", "builtins.__builtins__",
            "importlib.import_module", "importlib.__import__", "importlib.reload", "importlib.util", "importlib.machinery",
            "importlib.find_loader", "sys.modules", "sys._getframe", "sys.path_hooks", "sys.meta_path",
            "inspect.currentframe", "inspect.stack", "inspect.getmodule", "inspect.getmembers_static",
            "pkgutil.iter_modules", "pkgutil.walk_packages", "pkgutil.resolve_name", "pkgutil.get_loader",
            "pkgutil.find_loader", "runpy.run_module", "runpy.run_path", "code.interact", "code.InteractiveInterpreter",
            "gc.get_objects", "gc.get_referrers", "types.FunctionType", "types.CodeType", "pydoc.locate",
            "marshal.loads", "marshal.load", "importlib.metadata.entry_points",
        ),
        EVAL,
    ),
    **dict.fromkeys(("builtins.globals", "builtins.vars", "builtins.locals", "builtins.dir"), NAMESPACE),
    **dict.fromkeys(
        (
            "inspect.getsource", "inspect.getsourcelines", "inspect.getsourcefile", "inspect.findsource",
            "inspect.getcomments", "inspect.getblock", "linecache",
        ),
        SOURCE,
    ),
    **dict.fromkeys(("inspect.getdoc", "inspect.cleandoc", "builtins.help", "pydoc", "doctest"), DOCS),
    **dict.fromkeys(
        (
            "inspect.signature", "inspect.Signature", "inspect.getfullargspec", "inspect.get_annotations",
            "typing.get_type_hints", "typing_extensions.get_type_hints", "annotationlib",
            "typing.get_overloads", "typing_extensions.get_overloads",
        ),
        ANNOTATIONS,
    ),
    **dict.fromkeys(
        (
            "builtins.__file__", "builtins.__path__", "builtins.__spec__", "builtins.__loader__",
            "importlib.resources", "importlib_resources", "pkgutil.get_data", "inspect.getfile", "inspect.getabsfile",
            "os.path.dirname", "os.path.split", "os.listdir", "os.scandir", "os.walk", "os.fwalk", "glob", "zipimport", "sys.argv", "sys.path",
        ),
        LOCATOR,
    ),
    **dict.fromkeys(
        ("builtins.map", "builtins.filter", "functools.reduce", "itertools.starmap", "builtins.next", "builtins.iter"),
        CALLER,
    ),
}  # fmt: skip
"""What the use of a name, or of something below it, says of the unit that uses it."""

VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "os.path.expanduser": ("HOME",),
    "pathlib.Path.home": ("HOME",),
    "os.path.expandvars": ("*",),
    "tempfile": ("TMPDIR", "TEMP", "TMP"),
    "getpass.getuser": ("LOGNAME", "USER", "LNAME", "USERNAME"),
    "shutil.which": ("PATH",),
    "os.get_exec_path": ("PATH",),
    "locale.setlocale": ("LANG", "LC_ALL"),
    "webbrowser": ("BROWSER",),
}
"""The environment variables that something in the standard library reads."""

FLAGGED: Final = frozenset(name.partition(".")[0] for name in (*FLAGS, *VARIABLES)) | {"os"}

ATTRIBUTES: Final[Mapping[str, int]] = {
    "__subclasses__": EVAL,
    "__globals__": NAMESPACE,
    "__code__": EVAL,
    "f_globals": EVAL,
    "__annotations__": ANNOTATIONS,
    "__signature__": ANNOTATIONS,
    "__wrapped_source__": SOURCE,
    "glob": LOCATOR,
    "rglob": LOCATOR,
    "iterdir": LOCATOR,
    "folder": LOCATOR,
    "with_name": LOCATOR,
    "with_stem": LOCATOR,
    "with_suffix": LOCATOR,
}
"""What an attribute says, whatever it is an attribute of."""

PATH_ATTRIBUTES: Final = frozenset({"parent", "parents"})
"""Attributes that lead from one file to others; where a path is written out they are known."""

PURE_BUILTINS: Final = frozenset(
    {
        "ArithmeticError", "AssertionError", "AttributeError", "BaseException", "Exception",
        "ImportError", "IndexError", "KeyError", "LookupError", "NotImplementedError", "OSError",
        "RuntimeError", "StopIteration", "SystemExit", "TypeError", "ValueError",
        "abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr",
        "classmethod", "complex", "delattr", "dict", "dir", "divmod", "enumerate",
        "float", "format", "frozenset", "getattr", "globals", "hasattr", "hash",
        "hex", "id", "input", "int", "isinstance", "issubclass", "len", "list", "locals", "max",
        "memoryview", "min", "object", "oct", "open", "ord", "pow", "print", "property", "range",
        "repr", "reversed", "round", "set", "setattr", "slice", "sorted", "staticmethod", "str",
        "sum", "super", "tuple", "type", "vars", "zip",
    }
)  # fmt: skip
"""Builtins that change nothing that they are given; `setattr` and the like are dealt with by other means."""

EXECUTING: Final = frozenset(
    {"builtins.eval", "builtins.exec", "builtins.__import__", "runpy.run_path", "runpy.run_module"}
)
"""Calls that may do anything."""

CHANGING: Final = re.compile(
    "^(seed|patch|install|register|monkeypatch|hook|set(?!tings?$)|use$)|_(seed|seed_all|patch|install|register|hook)$|dotenv$"
)
"""What functions are called that change something in their package, whatever is done with their result."""

PURE_BASES: Final = (
    frozenset(
        [
            "attr",
            "attrs",
            "builtins",
            "dalsegno",
            "flyte",
            "keras",
            "lightning",
            "numpy",
            "pandas",
            "pydantic",
            "pydantic_settings",
            "pytorch_lightning",
            "sklearn",
            "tensorflow",
            "torch",
            "typing_extensions",
        ]
    )
    | sys.stdlib_module_names
)
"""Packages in which deriving a class changes nothing but the class."""

HARMLESS: Final = frozenset(
    {
        "logging", "warnings.warn", "json.dump", "pprint", "time.sleep", "time.perf_counter", "time.time",
        "sys.stdout.write", "sys.stdout.flush", "sys.stderr.write", "sys.stderr.flush", "traceback",
        "dalsegno", "flyte", "typing", "typing_extensions", "abc", "dataclasses", "structlog", "loguru",
        "os.makedirs", "shutil.rmtree", "shutil.copy", "gc.collect", "unittest.main", "pytest.main", "asyncio.run",
        "asyncio.sleep", "rich.print", "sys.exit", "builtins.print", "builtins.super",
        "atexit.register",
    }
)  # fmt: skip
"""Calls outside of the bundle whose result is thrown away and that change nothing that another task can see."""

HARMFUL: Final = frozenset(
    {
        "logging.addLevelName", "logging.captureWarnings", "logging.disable", "logging.setLoggerClass",
        "logging.setLogRecordFactory",
    }
)  # fmt: skip
"""Those among the harmless that are not."""

SHARED: Final = re.compile("^get|^(current|default|shared|global)|context|instance$")
"""What functions are called that give something that others get as well, so that changing it changes theirs."""

PURE_DECORATORS: Final = frozenset(
    {
        "builtins.staticmethod", "builtins.classmethod", "builtins.property", "functools.wraps",
        "functools.total_ordering", "contextlib.contextmanager", "contextlib.asynccontextmanager",
        "dataclasses.dataclass", "abc.abstractmethod", "typing.override", "typing.overload", "typing.final",
        "typing.runtime_checkable", "typing.no_type_check", "typing.dataclass_transform", "enum.unique",
        "enum.global_enum", "typing_extensions", "attr", "attrs", "dalsegno", "flyte", "numba", "types.coroutine",
        "pydantic",
    }
)  # fmt: skip
"""Decorators after which a function or class still holds nothing that changes."""

UNCHANGING: Final = frozenset(
    {
        "logging.getLogger", "re.compile", "pathlib.Path", "pathlib.PurePath", "typing.TypeVar", "typing.ParamSpec",
        "typing.NewType", "datetime.timedelta", "datetime.date", "datetime.datetime", "decimal.Decimal",
        "fractions.Fraction", "uuid.UUID", "operator.itemgetter", "operator.attrgetter", "collections.namedtuple",
        "sysconfig.get_path", "struct.Struct", "builtins.frozenset", "builtins.int", "builtins.float", "builtins.str",
        "builtins.len", "builtins.bool", "builtins.sum", "builtins.bytes", "builtins.range", "builtins.object",
    }
)  # fmt: skip
"""Calls whose results do not change, or not in what a task can see."""

ENVIRONMENTS: Final = frozenset({"dalsegno", "flyte"})
"""Packages whose task environments are only declared, so that tasks which share one have nothing to do with each other."""

READS_ENVIRONMENT: Final = frozenset(
    {"decouple", "dotenv", "dynaconf", "environ", "environs", "hydra", "pydantic_settings"}
)
"""Packages that read variables whose names are not told."""

OWN: Final = frozenset({"dalsegno", "dalsegno_storage"})

MODULE_NAMES: Final = frozenset(
    {"__name__", "__file__", "__package__", "__spec__", "__loader__", "__path__", "__doc__", "__builtins__",
     "__annotations__", "__cached__", "__debug__", "__dict__", "__class__", "__qualname__", "__module__"}
)  # fmt: skip
"""Names that every module or class body has without binding them."""


def below(name: str, known: frozenset[str]) -> bool:
    """Whether a dotted name, or something that it is in, is among the known ones."""
    while name:
        if name in known:
            return True
        name = name.rpartition(".")[0]
    return False


def is_harmless(name: str) -> bool:
    """Whether a call of something outside of the bundle changes nothing that a task can see."""
    return below(name, HARMLESS | OWN) and name not in HARMFUL


def is_random(name: str) -> bool:
    """Whether a dotted name draws random numbers, so that the next are others."""
    parts = name.split(".")
    return "random" in parts and "seed" not in parts[-1] and parts[0] not in OWN
