"""The mutation matrix: single edits of a small program, and for each exactly what must be executed again.

A row says what is edited, which calls execute when the recorded run is done again on the edited side with everything
that is still valid reused, what is to be named as the reason, and whether the edit is cosmetic, so that nothing at all
may execute. A call is written `task`, or `task:region` for the tasks that are called once for each region.

The rule that the expectations follow: a call is reused if and only if the recorded run has it too (the same task with
equal inputs, and as many of them), it succeeded, and the code that its task can reach, the tasks that it calls
included, is the same. So an edit executes the calls that it concerns and their callers; what comes later executes when
it gets other inputs.

It needs neither pytest nor dalsegno: the peers are measured with the same rows. One file, because it is one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from tests.engine.reuse.package import FILES, PACKAGES, SOURCES

__all__ = ["INPUTS", "ROWS", "TASKS", "Edit", "Kind", "Row", "edited"]

TASKS: Final = ("main", "load", "clean", "region", "features", "fit", "report")

INPUTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "start": 0,
        "names": ["north", "south"],
        "config": {"rate": 0.2, "rounds": 3, "season": "summer"},
        "title": "Prices",
    }
)
"""What `main` is called with; `config` are the fields of a `Config`."""

Kind = Literal["code", "data", "package", "version", "environ", "inputs", "calls"]
"""What is edited.

"version" is the installed version of a real package, which only a fake can change; "calls" is code that makes a call
once more, which a cache without recorded runs cannot tell from the same call made once.
"""


class Edit(NamedTuple):
    """One replacement in a file; `old` occurs once in it, or is empty for a file that is new."""

    file: str
    old: str
    new: str


class Reach(NamedTuple):
    """How far an edit reaches: the nearest call that executes, and all that execute."""

    nearest: str
    executes: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One edit. `equal` says that the result stays the same although something executes."""

    name: str
    kind: Kind
    reach: Reach
    why: str = ""
    edits: tuple[Edit, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    equal: bool = False

    @property
    def executes(self) -> frozenset[str]:
        """The calls that must execute; all others must be reused."""
        return self.reach.executes

    @property
    def cosmetic(self) -> bool:
        """Nothing may execute."""
        return not self.reach.executes


def edited(row: Row) -> dict[str, str]:
    """The files of the edited program."""
    files = dict(FILES)
    for file, old, new in row.edits:
        if old:
            assert files[file].count(old) == 1, (row.name, files[file].count(old), old)
            files[file] = files[file].replace(old, new)
        else:
            assert file not in files, (row.name, file)
            files[file] = new
    return files


def _reach(nearest: str, *calls: str) -> Reach:
    """The reach of these calls; one of a regional task stands for those of both regions."""
    regional = {"region", "features", "fit"}
    both = [[f"{call}:north", f"{call}:south"] if call in regional else [call] for call in calls]
    return Reach(nearest if nearest not in regional else f"{nearest}:north", frozenset(sum(both, start=[])))


NOTHING = Reach("", frozenset())
EVERY = _reach("features", *TASKS)
LOAD = _reach("load", *TASKS)
LOAD_SOUTH = Reach("load", LOAD.executes - {"fit:north"})
LOAD_ALONE = _reach("load", "load", "main")
CLEAN = _reach("clean", "clean", "region", "features", "fit", "report", "main")
CLEAN_SOUTH = Reach("clean", CLEAN.executes - {"fit:north"})
CLEAN_ALONE = _reach("clean", "clean", "main")
REGION = _reach("region", "region", "features", "fit", "report", "main")
FEATURES = _reach("features", "features", "region", "fit", "report", "main")
FEATURES_ALONE = _reach("features", "features", "region", "main")
FIT = _reach("fit", "fit", "region", "report", "main")
FIT_ALONE = _reach("fit", "fit", "region", "main")
REPORT = _reach("report", "report", "main")
MAIN = _reach("main", "main")
MAIN_AND_REPORT = _reach("main", "main", "report")
"""`…_ALONE` are the reaches of edits after which the nearest call gives what it gave before; `…_SOUTH`
those after which the rows are others, but the table of features from the north is as before."""

_ROWS: list[Row] = []


def _code(
    name: str, file: str, old: str, new: str, reach: Reach, why: str = "", *, equal: bool = False
) -> None:
    """A row that edits a file of the program; `why` is a symbol without the package's name."""
    prefix = "forecast" if why.startswith(":") else "forecast."
    _ROWS.append(
        Row(
            name=name,
            kind="data" if file.startswith("data/") else "code",
            reach=reach,
            why=why if not why or why.startswith("data/") else prefix + why,
            edits=(Edit(f"{SOURCES}/forecast/{file}", old, new),),
            equal=equal
            or reach.nearest == ""
            or reach in (LOAD_ALONE, CLEAN_ALONE, FEATURES_ALONE, FIT_ALONE),
        )
    )


def _cosmetic(name: str, file: str, old: str, new: str) -> None:
    _code(name, file, old, new, NOTHING)


# Tasks

_code(
    "body of a task", "pipeline.py",
    "read_prices()[start:]", "read_prices()[start + 1 :]",
    LOAD, "pipeline:load",
)  # fmt: skip
_code(
    "body of a task that is called for each region", "pipeline.py",
    "value + OFFSETS[name]", "value - OFFSETS[name]",
    FEATURES, "pipeline:features",
)  # fmt: skip
_code(
    "body of a task in the middle", "pipeline.py",
    "features(name, rows)\n", "features(name, rows[1:])\n",
    REGION, "pipeline:region",
)  # fmt: skip
_code(
    "body of the last task", "pipeline.py",
    "render(title, names", "render(title.upper(), names",
    REPORT, "pipeline:report",
)  # fmt: skip
_code(
    "root calls for one more region", "pipeline.py",
    "for name in names]", 'for name in [*names, "west"]]',
    Reach("main", frozenset({"main", "region:west", "features:west", "fit:west", "report"})), "pipeline:main",
)  # fmt: skip
_code(
    "root calls in another order", "pipeline.py",
    "for name in names]", "for name in reversed(names)]",
    MAIN_AND_REPORT, "pipeline:main",
)  # fmt: skip
_code(
    "root calls by keyword", "pipeline.py",
    "clean(load(start))", "clean(rows=load(start))",
    MAIN, "pipeline:main", equal=True,
)  # fmt: skip
_code(
    "annotation of a task", "pipeline.py",
    "def clean(rows: Rows) -> Rows:", "def clean(rows: Rows) -> list[list[float]]:",
    CLEAN_ALONE, "pipeline:clean",
)  # fmt: skip

# Helpers and how they are found

_code(
    "helper by module attribute", "readers.py",
    "number(cell) * unit", "number(cell) * unit + 0.5",
    LOAD, "readers:read_prices",
)  # fmt: skip
_code(
    "helper imported in a function", "formats.py",
    "return POINT", 'return POINT or "."',
    LOAD_ALONE, "formats:decimal_point",
)  # fmt: skip
_code(
    "helper re-exported by a package", "maths/scaling.py",
    "low + (high - low)", "low + 1.5 * (high - low)",
    FEATURES, "maths.scaling:scale",
)  # fmt: skip
_code(
    "re-export points elsewhere", "maths/__init__.py",
    "from .scaling import scale as rescale", "from .scaling import stretch as rescale",
    FEATURES, "maths",
)  # fmt: skip
_code(
    "two aliases change places", "maths/windows.py",
    "shrink as inner, stretch as outer", "stretch as inner, shrink as outer",
    FEATURES, "maths",
)  # fmt: skip
_code(
    "imports of the same name change places", "steps.py",
    "from ._plain import middle\nfrom .compat import clip, middle\n",
    "from .compat import clip, middle\nfrom ._plain import middle\n",
    CLEAN,
)  # fmt: skip
_code(
    "helper in a comprehension", "maths/scaling.py",
    "[value * 3.0 for", "[value * 2.5 for",
    FEATURES, "maths.scaling:stretch",
)  # fmt: skip
_code(
    "module chosen by getattr with a computed name", "styles.py",
    '"| {text}"', '"> {text}"',
    REPORT, "styles",
)  # fmt: skip
_code(
    "module imported by importlib with a literal name", "notes.py",
    '"source: {SOURCE}"', '"from {SOURCE}"',
    REPORT, "notes",
)  # fmt: skip
_code(
    "constant of a module imported by importlib", "notes.py",
    'SOURCE = "market"', 'SOURCE = "hall"',
    REPORT, "notes",
)  # fmt: skip
_code(
    "fallback of a conditional import", "_plain.py",
    "min(max(value, low), high)", "max(min(value, high), low)",
    CLEAN_ALONE, "_plain:clip",
)  # fmt: skip
_code(
    "optional module appears", "_native.py",
    "", "def clip(value, low, high):\n    return min(max(value, low), high) + 1.0\n",
    CLEAN, "_native",
)  # fmt: skip
_code(
    "branch of a conditional definition that is not taken", "compat.py",
    "low / 2 + high / 2", "(high + low) / 2",
    CLEAN_ALONE, "compat:middle",
)  # fmt: skip
_code(
    "helper becomes dynamic", "reporting.py",
    "    return notes.text()", '    return eval("notes.text()")',
    REPORT, "reporting:footer", equal=True,
)  # fmt: skip
_code(
    "new definition shadows a builtin", "reporting.py",
    "\ntotal = 1000\n", "\ntotal = 1000\n\n\ndef round(value, digits):\n    return -value\n\n\n",
    REPORT, "reporting:round",
)  # fmt: skip

# Constants

_code(
    "scalar behind a computed constant", "settings.py",
    "WEEK = 7", "WEEK = 8",
    FEATURES, "settings:WEEK",
)  # fmt: skip
_code(
    "computed constant", "settings.py",
    "WEEK // 2", "WEEK // 3",
    FEATURES, "settings:WINDOW",
)  # fmt: skip
_code(
    "constant that two tasks reach", "maths/constants.py",
    "BASE = 20.0", "BASE = 25.0",
    FEATURES, "maths.constants:BASE",
)  # fmt: skip
_code(
    "constant through a star import", "maths/constants.py",
    "HIGH = 2.0", "HIGH = 2.5",
    FEATURES, "maths.constants:HIGH",
)  # fmt: skip
_code(
    "item of a dict constant", "readers.py",
    '"euro": 1.0', '"euro": 2.0',
    LOAD, "readers:UNITS",
)  # fmt: skip
_code(
    "item of a dict constant that concerns one region", "settings.py",
    '"south": 2.0', '"south": 2.5',
    Reach("features:north", FEATURES.executes - {"fit:north"}), "settings:OFFSETS",
)  # fmt: skip
_code(
    "item of a dict constant that no region uses", "settings.py",
    '"west": 2}', '"west": 1}',
    FEATURES_ALONE, "settings:COLUMNS",
)  # fmt: skip
_code(
    "mutable constant", "cleaning.py",
    'SKIPPED = ["demo"]', 'SKIPPED = ["demo", "halve"]',
    CLEAN, "cleaning:SKIPPED",
)  # fmt: skip
_code(
    "statement that changes a mutable constant", "cleaning.py",
    '.append("audit")', '.append("limit")',
    CLEAN_SOUTH, "cleaning",
)  # fmt: skip
_code(
    "constant of another type that is equal", "reporting.py",
    "STRICT = True", "STRICT = 1",
    REPORT, "reporting:STRICT",
)  # fmt: skip
_code(
    "spaces inside of a text constant", "reporting.py",
    "# {title}", "#  {title}",
    REPORT, "reporting:HEAD",
)  # fmt: skip
_code(
    "constant that chooses a function", "reporting.py",
    'STYLE = "plain"', 'STYLE = "star"',
    REPORT, "reporting:STYLE",
)  # fmt: skip
_code(
    "lambda constant", "maths/windows.py",
    "window.mean()) * 1.25", "window.mean()) * 1.5",
    FEATURES, "maths.windows:smooth",
)  # fmt: skip
_code(
    "partial", "reporting.py",
    'sign="~"', 'sign="="',
    REPORT, "reporting:money",
)  # fmt: skip
_code(
    "function inside a partial", "reporting.py",
    "{value:.{digits}f}", "{value:+.{digits}f}",
    REPORT, "reporting:amount",
)  # fmt: skip
_code(
    "type alias used at run time", "readers.py",
    "Number = float", "Number = lambda text: float(text) + 1.0",
    LOAD, "readers:Number",
)  # fmt: skip
_code(
    "type alias that makes equal values", "reporting.py",
    "Lines = list[str]", "Lines = list[object]",
    REPORT, "reporting:Lines", equal=True,
)  # fmt: skip
_code(
    "attribute of the package itself", "__init__.py",
    '__version__ = "1.4"', '__version__ = "1.5"',
    REPORT, ":__version__",
)  # fmt: skip
_code(
    "docstring that the code reads", "reporting.py",
    "Prices in euro.", "Prices in EUR.",
    REPORT, "reporting:legend",
)  # fmt: skip

_code(
    "constant is extended", "cleaning.py",
    'SKIPPED.append("audit")', 'SKIPPED += ["halve"]',
    CLEAN, "cleaning",
)  # fmt: skip
_code(
    "global that a function sets", "surcharge.py",
    "AMOUNT = 1.0", "AMOUNT = 2.0",
    CLEAN, "surcharge",
)  # fmt: skip
_code(
    "call that sets a global goes", "surcharge.py",
    "\n\nraise_amount()\n", "",
    CLEAN, "surcharge",
)  # fmt: skip

# Functions

_code(
    "default of an argument", "maths/scaling.py",
    "low: float = LOW", "low: float = 0.25",
    FEATURES, "maths.scaling:scale",
)  # fmt: skip
_code(
    "nested function", "maths/windows.py",
    "weights) / 6.0", "weights) / 3.0",
    FEATURES, "maths.windows:trend",
)  # fmt: skip
_code(
    "closure with state", "reporting.py",
    "count += 1", "count += 2",
    REPORT, "reporting:counted",
)  # fmt: skip
_code(
    "match statement", "models/linear.py",
    "top / 4", "top / 5",
    FIT, "models.linear:gradient",
)  # fmt: skip
_code(
    "other code, equal results", "maths/scaling.py",
    "[value * 0.5 for value in values]", "[value / 2 for value in values]",
    FEATURES_ALONE, "maths.scaling:shrink",
)  # fmt: skip
_code(
    "local variable renamed", "readers.py",
    'def number(text: str) -> float:\n    from .formats import decimal_point\n\n    return Number(text.replace',
    'def number(cell: str) -> float:\n    from .formats import decimal_point\n\n    return Number(cell.replace',
    LOAD_ALONE, "readers:number",
)  # fmt: skip

# Decorators

_code(
    "argument of a task's decorator", "pipeline.py",
    "@checked(digits=6)", "@checked(digits=1)",
    FIT, "pipeline:fit",
)  # fmt: skip
_code(
    "body of a task's decorator", "checks.py",
    "round(value, digits)", "round(value + 1.0, digits)",
    FIT, "checks:checked",
)  # fmt: skip
_code(
    "argument of a helper's decorator", "reporting.py",
    "maxsize=8", "maxsize=16",
    REPORT, "reporting:underline", equal=True,
)  # fmt: skip
_code(
    "implementation registered with singledispatch", "reporting.py",
    "return money(value)", 'return money(value) + "!"',
    REPORT, "reporting",
)  # fmt: skip

# Registries

_code(
    "registered function", "steps.py",
    "middle(10.0, 14.0)", "middle(10.0, 54.0)",
    CLEAN, "steps:fill",
)  # fmt: skip
_code(
    "function registered in a module of its own", "surcharge.py",
    "value + AMOUNT", "value + AMOUNT * 2",
    CLEAN, "surcharge:surcharge",
)  # fmt: skip
_code(
    "function registered through an alias", "steps.py",
    "return value / 2", "return value / 4",
    CLEAN, "steps:halve",
)  # fmt: skip
_code(
    "function registered in a class", "checks.py",
    "min(value, 1000.0)", "min(value, 0.5)",
    FIT, "checks:small",
)  # fmt: skip
_code(
    "function no longer registered", "steps.py",
    '@step("limit")\n', "",
    CLEAN_SOUTH, "steps",
)  # fmt: skip
_code(
    "function registered under another name", "surcharge.py",
    '@step("surcharge")', '@step("audit")',
    CLEAN, "surcharge:surcharge",
)  # fmt: skip
_code(
    "registering function", "registry.py",
    "STEPS[name] = function", "STEPS[name] = lambda value: function(value) + 1.0",
    CLEAN, "registry:step",
)  # fmt: skip
_code(
    "registering method of a class", "checks.py",
    "cls.known.append(function)", "cls.known.insert(0, function)",
    FIT_ALONE, "checks:Checks",
)  # fmt: skip
_code(
    "registrations change places", "steps.py",
    '@step("fill")\n'
    "def fill(value: float) -> float:\n"
    "    return middle(10.0, 14.0) if value in MISSING else value\n\n\n"
    '@step("limit")\n'
    "def limit(value: float) -> float:\n"
    "    return clip(value, LIMITS.low, LIMITS.high)\n",
    '@step("limit")\n'
    "def limit(value: float) -> float:\n"
    "    return clip(value, LIMITS.low, LIMITS.high)\n\n\n"
    '@step("fill")\n'
    "def fill(value: float) -> float:\n"
    "    return middle(10.0, 14.0) if value in MISSING else value\n",
    CLEAN, "steps",
)  # fmt: skip
_code(
    "modules that register change places", "cleaning.py",
    "from . import steps, surcharge", "from . import surcharge, steps",
    CLEAN, "",
)  # fmt: skip
_code(
    "statement that registers is added", "steps.py",
    'known["halve"] = halve\n', 'known["halve"] = halve\nknown["again"] = halve\n',
    CLEAN, "steps",
)  # fmt: skip

_code(
    "item of a registry is deleted", "cleaning.py",
    'SKIPPED.append("audit")\n', 'SKIPPED.append("audit")\ndel STEPS["halve"]\n',
    CLEAN, "cleaning",
)  # fmt: skip

# Classes

_code(
    "method of a base", "models/base.py",
    "return value * damping", "return value * damping / 2",
    FIT, "models.base:Model",
)  # fmt: skip
_code(
    "method of a base in another module", "models/scoring.py",
    "100.0 - level", "90.0 - level",
    FIT, "models.scoring:Scored",
)  # fmt: skip
_code(
    "classmethod", "models/scoring.py",
    "cls.points(0.0)", "cls.points(1.0)",
    FIT, "models.scoring:Scored",
)  # fmt: skip
_code(
    "method that overrides", "models/linear.py",
    "self.step * weight", "self.step * weight / 2",
    FIT, "models.linear:Linear",
)  # fmt: skip
_code(
    "order of bases", "models/linear.py",
    "class Linear(Scored, Model,", "class Linear(Model, Scored,",
    FIT_ALONE, "models.linear:Linear",
)  # fmt: skip
_code(
    "__init_subclass__", "models/base.py",
    "KINDS[kind] = cls", "KINDS[kind] = cls\n        cls.points = staticmethod(lambda level: 50.0 + level)",
    FIT, "models.base:Model",
)  # fmt: skip
_code(
    "another subclass in the same registry", "models/flat.py",
    "self.level = 2.0", "self.level = 3.0",
    FIT_ALONE, "models.flat:Flat",
)  # fmt: skip
_code(
    "constant of a module that a class attribute does not hide", "models/base.py",
    "damping = 0.5", "damping = 0.25",
    FIT, "models.base:damping",
)  # fmt: skip
_code(
    "class attribute", "models/base.py",
    "damping = 8.0", "damping = 9.0",
    FIT_ALONE, "models.base:Model",
)  # fmt: skip
_code(
    "property of an enum", "settings.py",
    "return 1.5 if", "return 1.75 if",
    FIT, "settings:Season",
)  # fmt: skip
_code(
    "value of an enum member", "settings.py",
    'WINTER = "winter"', 'WINTER = "cold"',
    FIT_ALONE, "settings:Season",
)  # fmt: skip
_code(
    "property of a dataclass", "settings.py",
    "return self.rate / self.rounds", "return self.rate",
    FIT, "settings:Config",
)  # fmt: skip
_code(
    "default of a dataclass field", "settings.py",
    "rounds: int = 2", "rounds: int = 4",
    FIT_ALONE, "settings:Config",
)  # fmt: skip
_code(
    "dataclass gets a field", "settings.py",
    "season: Season = Season.SUMMER\n", 'season: Season = Season.SUMMER\n    note: str = ""\n',
    FIT_ALONE, "settings:Config",
)  # fmt: skip
_code(
    "default of a pydantic field", "limits.py",
    "high: float = 60.0", "high: float = 34.5",
    CLEAN, "limits:Limits",
)  # fmt: skip
_code(
    "pydantic object", "limits.py",
    "Limits(low=2.0)", "Limits(low=46.0)",
    CLEAN, "limits:LIMITS",
)  # fmt: skip
_code(
    "default of a named tuple's field", "reporting.py",
    'unit: str = "EUR"', 'unit: str = "euro"',
    REPORT, "reporting:Line",
)  # fmt: skip
_code(
    "annotation of a named tuple's field", "reporting.py",
    "    value: float\n    unit", "    value: object\n    unit",
    REPORT, "reporting:Line", equal=True,
)  # fmt: skip

# What happens at import

_code(
    "replacement of a function", "patches.py",
    "value < 0.35", "value < 0.65",
    FEATURES, "patches:fill_gaps",
)  # fmt: skip
_code(
    "function is no longer replaced", "patches.py",
    "windows.fill = fill_gaps\n", "windows.unused = fill_gaps\n",
    FEATURES, "patches",
)  # fmt: skip
_code(
    "function that is replaced", "maths/windows.py",
    "    return values\n", "    return [*values]\n",
    FEATURES_ALONE, "maths.windows:fill",
)  # fmt: skip
_code(
    "attribute of a class set from outside", "patches.py",
    "Linear.bias = 0.25", "Linear.bias = 0.5",
    FIT, "patches",
)  # fmt: skip
_code(
    "attribute of a function set from outside", "patches.py",
    '"width", 24', '"width", 30',
    REPORT, "patches",
)  # fmt: skip
_code(
    "seed at import", "maths/noise.py",
    "random.seed(11)", "random.seed(12)",
    EVERY, "maths.noise",
)  # fmt: skip
_code(
    "constant drawn at import", "maths/noise.py",
    "range(4)", "range(3)",
    FEATURES, "maths.noise:NOISE",
)  # fmt: skip

# Data files, variables, packages, inputs

_code(
    "data file", "data/prices.csv",
    "36,5;52,5;", "46,5;32,5;",
    LOAD, "data/prices.csv",
)  # fmt: skip
_code(
    "data file, what concerns one region", "data/prices.csv",
    "71,0;15,0", "41,0;15,0",
    LOAD_SOUTH, "data/prices.csv",
)  # fmt: skip
_code(
    "data file, what concerns one region in the last step", "data/weights.json",
    '"south": 1.5', '"south": 1.25',
    Reach("fit:north", FIT.executes), "data/weights.json",
)  # fmt: skip
_code(
    "data file, what no region uses", "data/weights.json",
    '"west": 2.0', '"west": 3.0',
    FIT_ALONE, "data/weights.json",
)  # fmt: skip
_cosmetic("data file that no task reads", "data/notes.txt", "market hall", "flea market")
_cosmetic("new data file", "data/more.txt", "", "Nobody reads this.\n")


def _surroundings(name: str, kind: Kind, reach: Reach, why: str = "", **changes: Any) -> None:
    _ROWS.append(Row(name=name, kind=kind, reach=reach, why=why, **changes))


_surroundings(
    "root makes the same call twice", "calls", Reach("main", frozenset({"main", "load"})), "forecast.pipeline:main",
    edits=(
        Edit(
            f"{SOURCES}/forecast/pipeline.py",
            "rows = clean(load(start))",
            "rows = [load(start), clean(load(start))][1]",
        ),
    ),
    equal=True,
)  # fmt: skip
_METADATA = Edit(f"{PACKAGES}/pricelib-1.0.dist-info/METADATA", "Version: 1.0", "Version: 1.1")
_surroundings(
    "variable read in a function", "environ", LOAD, "FORECAST_UNIT", environ={"FORECAST_UNIT": "cent"}
)  # fmt: skip
_surroundings(
    "variable set to its default", "environ", LOAD_ALONE, "FORECAST_UNIT",
    environ={"FORECAST_UNIT": "euro"}, equal=True,
)  # fmt: skip
_surroundings(
    "variable read at import", "environ", REPORT, "FORECAST_DIGITS", environ={"FORECAST_DIGITS": "3"}
)  # fmt: skip
_surroundings(
    "variable that no task reads", "environ", NOTHING, environ={"FORECAST_OTHER": "1"}, equal=True
)  # fmt: skip
_surroundings(
    "package, new release", "package", REPORT, "pricelib",
    edits=(_METADATA, Edit(f"{PACKAGES}/pricelib.py", "RATE = 1.19", "RATE = 1.07")),
)  # fmt: skip
_surroundings(
    "package, new release with the same code", "package", REPORT, "pricelib", edits=(_METADATA,), equal=True
)  # fmt: skip
_surroundings(
    "package, other version than before", "version", FEATURES_ALONE, "numpy",
    versions={"numpy": "99.0"}, equal=True,
)  # fmt: skip
_surroundings(
    "input of the first task", "inputs", LOAD, "start", inputs={"start": 1}
)  # fmt: skip
_surroundings(
    "field of a dataclass input", "inputs",
    Reach("main", FIT.executes), "config.rate",
    inputs={"config": {"rate": 0.1, "rounds": 3, "season": "summer"}},
)  # fmt: skip
_surroundings(
    "one more item in a list input", "inputs",
    Reach("main", frozenset({"main", "region:west", "features:west", "fit:west", "report"})), "names",
    inputs={"names": ["north", "south", "west"]},
)  # fmt: skip
_surroundings(
    "one item less in a list input", "inputs", MAIN_AND_REPORT, "names", inputs={"names": ["north"]}
)  # fmt: skip
_surroundings(
    "input that only the last task gets", "inputs", MAIN_AND_REPORT, "title", inputs={"title": "Weekly prices"}
)  # fmt: skip
_surroundings(
    "input given again with an equal value", "inputs", NOTHING, equal=True,
    inputs={"config": dict(INPUTS["config"]), "title": "Prices"},
)  # fmt: skip

# What changes nothing

_cosmetic("comment in a task", "pipeline.py", "    column = [", "    # one region\n    column = [")
_cosmetic(
    "comment at the end of a line",
    "readers.py",
    "Number = float\n",
    "Number = float  # Decimal is slow\n",
)
_cosmetic(
    "comment in a module that is reached whole",
    "styles.py",
    '    return f"| ',
    '    # a bar\n    return f"| ',
)
_cosmetic("docstring of a module", "readers.py", "Reads what lies beside the code.", "Reads files.")
_cosmetic(
    "docstring of a task",
    "pipeline.py",
    "What a model learns a region from.",
    "What models learn a region from.",
)
_cosmetic("docstring of a helper", "reporting.py", "The report, line by line.", "The lines of the report.")
_cosmetic("docstring is added", "_plain.py", "    return min(", '    """Within limits."""\n    return min(')
_cosmetic("docstring of a class", "settings.py", "How a model is fitted.", "Settings of a model.")
_cosmetic("text below a constant", "settings.py", "What is added to the prices", "What we add to prices")
_cosmetic("text below a field", "settings.py", "How far one step goes.", "The length of a step.")
_cosmetic("blank lines", "maths/scaling.py", "value = 100.0\n\n\ndef", "value = 100.0\n\n\n\n\ndef")
_cosmetic(
    "call over several lines with a trailing comma",
    "pipeline.py",
    "return render(title, names, results)",
    "return render(\n        title,\n        names,\n        results,\n    )",
)
_cosmetic("line joined with a backslash", "steps.py", "return clip(value,", "return \\\n        clip(value,")
_cosmetic("quotes", "pipeline.py", 'make("linear", config)', "make('linear', config)")
_cosmetic(
    "parentheses", "_plain.py", "return min(max(value, low), high)", "return (min((max(value, low)), high))"
)
_cosmetic("number spelled differently", "checks.py", "1000.0", "1_000.00")
_cosmetic("text spelled with an escape", "formats.py", 'POINT = ","', 'POINT = "\\x2c"')
_cosmetic("raw text", "reporting.py", 'PATTERN = "\\\\d"', 'PATTERN = r"\\d"')
_cosmetic("text in two parts", "reporting.py", '"helper unused"', '"helper " "unused"')
_cosmetic(
    "annotation of a helper",
    "reporting.py",
    'names: "Sequence[str]", results: list[dict[str, float]]',
    "names: list[str], results: list",
)
_cosmetic("annotation of what a helper gives", "readers.py", "-> dict[str, float]:", "-> dict:")
_cosmetic("annotation of a local variable", "readers.py", "weights: dict[str, float] =", "weights =")
_cosmetic("annotation of a constant", "registry.py", "STEPS: dict[str, Step] =", "STEPS =")
_cosmetic(
    "postponed annotations",
    "formats.py",
    '\nPOINT = ","',
    '\nfrom __future__ import annotations\n\nPOINT = ","',
)
_cosmetic(
    "definitions change places",
    "maths/scaling.py",
    "def shrink(values: list[float]) -> list[float]:\n    return [value * 0.5 for value in values]\n\n\n"
    "def stretch(values: list[float]) -> list[float]:\n    return [value * 3.0 for value in values]\n",
    "def stretch(values: list[float]) -> list[float]:\n    return [value * 3.0 for value in values]\n\n\n"
    "def shrink(values: list[float]) -> list[float]:\n    return [value * 0.5 for value in values]\n",
)
_cosmetic("unused import is added", "readers.py", "import os\n", "import os\nimport string\n")
_cosmetic(
    "import from the program is added", "formats.py", "\nPOINT", "\nfrom .maths import constants\n\nPOINT"
)
_cosmetic(
    "imports are sorted",
    "steps.py",
    "from . import registry\nfrom ._plain import middle\nfrom .compat import clip, middle\nfrom .limits import LIMITS\n",
    "from .limits import LIMITS\nfrom ._plain import middle\nfrom .compat import middle, clip\nfrom . import registry\n",
)
_cosmetic("import for checkers only", "reporting.py", "abc import Sequence", "abc import Iterable, Sequence")
_cosmetic("unrelated function", "readers.py", 'f"reads {PRICES.name}"', 'f"will read {PRICES.name}"')
_cosmetic("unrelated function that a text names", "reporting.py", '"{total} {LIMIT}"', '"{total}/{LIMIT}"')
_cosmetic(
    "unrelated function is added",
    "formats.py",
    "def thousands",
    "def minus():\n    return '-'\n\n\ndef thousands",
)
_cosmetic(
    "unrelated function goes",
    "maths/scaling.py",
    "def spread(values: list[float]) -> float:\n    return (max(values) - min(values)) * SPARE + value\n",
    "",
)
_cosmetic("unrelated constant", "settings.py", '["05-01", "12-25"]', '["05-01"]')
_cosmetic("unrelated constant of a package", "__init__.py", '"2024-05-01"', '"2024-06-01"')
_cosmetic("unrelated constant of a star import", "maths/constants.py", "SPARE = 3.0", "SPARE = 4.0")
_cosmetic("constant that a local variable hides", "reporting.py", "\ntotal = 1000\n", "\ntotal = 2000\n")
_cosmetic("constant that comprehensions hide", "maths/scaling.py", "value = 100.0", "value = 200.0")
_cosmetic("list of public names", "maths/__init__.py", '["mean", "rescale"]', '["rescale"]')
_cosmetic("what a module does as a script", "readers.py", "    print(describe())", "    print(read_prices())")
_cosmetic("new module", "weather.py", "", '"""The weather."""\n\nRAIN = 0.5\n')

ROWS: Final = tuple(_ROWS)
"""Every row; their names are unique."""
