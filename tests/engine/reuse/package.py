"""A small program with many ways of depending on something: the unedited side of the mutation matrix.

It forecasts prices: `main` calls `load`, `clean`, for each region `region`, which calls `features` and `fit`, and
`report`. Beside it lies an installed package, `pricelib`, that only this program uses. It is text, not modules, so that
every test and every peer writes its own copy, edits it, and imports it in a process or a `sys.modules` of its own.
Needs numpy and pydantic; runs in milliseconds; gives the same text wherever it runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

__all__ = ["ENVIRONMENT", "FILES", "PACKAGES", "SOURCES", "write"]

SOURCES: Final = "src"
"""The folder, below that of a tree, that belongs on `sys.path`."""

PACKAGES: Final = "site-packages"
"""The folder of installed packages; belongs on `sys.path` too."""

ENVIRONMENT: Final = """\
from dalsegno import TaskEnvironment
"""
"""The line of the pipeline that a peer replaces."""

_PROGRAM = {
    "__init__.py": '''\
"""Forecasts of prices, region by region."""

__version__ = "1.4"
RELEASED = "2024-05-01"
''',
    "pipeline.py": '''\
"""From a file of prices to a report."""

from dalsegno import TaskEnvironment

from . import cleaning, patches, readers
from .checks import checked
from .maths import rescale, windows
from .models import make
from .reporting import render
from .settings import COLUMNS, OFFSETS, Config

env = TaskEnvironment("forecast", include=["data/*"])
Rows = list[list[float]]


@env.task
def load(start: int) -> Rows:
    """The rows of prices from number `start` on."""
    return readers.read_prices()[start:]


@env.task
def clean(rows: Rows) -> Rows:
    """The same rows after every registered step."""
    return cleaning.run_steps(rows)


@env.task
def features(name: str, rows: Rows) -> Rows:
    """What a model learns a region from."""
    column = [row[COLUMNS[name]] for row in rows]
    shifted = [value + OFFSETS[name] for value in column]
    return windows.table(rescale(shifted))


@env.task
@checked(digits=6)
def fit(name: str, table: Rows, config: Config) -> dict[str, float]:
    """A region's model in numbers."""
    model = make("linear", config)
    weight = readers.read_weights()[name]
    for _ in range(config.rounds):
        model.learn(table, weight)
    return model.summary(config.season)


@env.task
def region(name: str, rows: Rows, config: Config) -> dict[str, float]:
    """Everything about one region."""
    table = features(name, rows)
    return fit(name, table, config)


@env.task
def report(title: str, names: list[str], results: list[dict[str, float]]) -> str:
    """What people read."""
    return render(title, names, results)


@env.task
def main(start: int, names: list[str], config: Config, title: str) -> str:
    """The whole forecast."""
    rows = clean(load(start))
    results = [region(name, rows, config) for name in names]
    return report(title, names, results)
''',
    "settings.py": '''\
"""What a forecast is made with."""

from dataclasses import dataclass
from enum import Enum

WEEK = 7
WINDOW = WEEK // 2
COLUMNS = {"north": 0, "south": 1, "west": 2}
OFFSETS = {"north": 1.0, "south": 2.0, "west": 3.0}
"""What is added to the prices of a region."""
MISSING = (-1.0, -999.0)
HOLIDAYS = ["05-01", "12-25"]


class Season(Enum):
    """The part of the year that a forecast is for."""

    SUMMER = "summer"
    WINTER = "winter"

    @property
    def factor(self) -> float:
        return 1.5 if self is Season.SUMMER else 2.5


@dataclass(frozen=True)
class Config:
    """How a model is fitted."""

    rate: float = 0.1
    """How far one step goes."""
    rounds: int = 2
    season: Season = Season.SUMMER

    @property
    def step(self) -> float:
        return self.rate / self.rounds
''',
    "readers.py": '''\
"""Reads what lies beside the code."""

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path

PRICES = Path(__file__).parent / "data" / "prices.csv"
WEIGHTS = Path(__file__).parent / "data" / "weights.json"
UNITS = {"euro": 1.0, "cent": 0.01}
Number = float


def number(text: str) -> float:
    from .formats import decimal_point

    return Number(text.replace(decimal_point(), "."))


def read_prices() -> list[list[float]]:
    """Every row of prices, in euro."""
    unit = UNITS[os.environ.get("FORECAST_UNIT", "euro")]
    with PRICES.open(encoding="utf-8", newline="") as lines:
        return [[number(cell) * unit for cell in line] for line in csv.reader(lines, delimiter=";")]


def read_weights() -> dict[str, float]:
    weights: dict[str, float] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return weights


def describe() -> str:
    return f"reads {PRICES.name}"


if __name__ == "__main__":
    print(describe())
''',
    "formats.py": '''\
"""How numbers are written in files."""

POINT = ","


def decimal_point() -> str:
    return POINT


def thousands() -> str:
    return "."
''',
    "registry.py": '''\
"""The steps of cleaning, which register themselves."""

from collections.abc import Callable

Step = Callable[[float], float]
STEPS: dict[str, Step] = {}


def step(name: str) -> Callable[[Step], Step]:
    """Registers a function as the next step."""

    def register(function: Step) -> Step:
        STEPS[name] = function
        return function

    return register
''',
    "steps.py": '''\
"""Steps of cleaning."""

from . import registry
from ._plain import middle
from .compat import clip, middle
from .limits import LIMITS
from .registry import step
from .settings import MISSING


@step("fill")
def fill(value: float) -> float:
    return middle(10.0, 14.0) if value in MISSING else value


@step("limit")
def limit(value: float) -> float:
    return clip(value, LIMITS.low, LIMITS.high)


def halve(value: float) -> float:
    return value / 2


known = registry.STEPS
known["halve"] = halve
''',
    "surcharge.py": '''\
"""One more step, in a module of its own."""

from .registry import step

AMOUNT = 0.5


def raise_amount() -> None:
    global AMOUNT
    AMOUNT = 1.0


@step("surcharge")
def surcharge(value: float) -> float:
    return value + AMOUNT


raise_amount()
''',
    "limits.py": '''\
"""Which prices are believed."""

from pydantic import BaseModel


class Limits(BaseModel):
    low: float = 0.0
    high: float = 60.0


LIMITS = Limits(low=2.0)
''',
    "compat.py": '''\
"""What may be there in a faster form."""

import sys

try:
    from ._native import clip
except ImportError:
    from ._plain import clip

if sys.version_info >= (3, 11):

    def middle(low: float, high: float) -> float:
        return (low + high) / 2

else:

    def middle(low: float, high: float) -> float:
        return low / 2 + high / 2
''',
    "_plain.py": """\
def clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def middle(low: float, high: float) -> float:
    return high - low
""",
    "cleaning.py": '''\
"""Applies the steps of cleaning."""

from . import steps, surcharge
from .registry import STEPS

SKIPPED = ["demo"]
SKIPPED.append("audit")


def run_steps(rows: list[list[float]]) -> list[list[float]]:
    for name, function in STEPS.items():
        if name not in SKIPPED:
            rows = [[function(value) for value in row] for row in rows]
    return rows
''',
    "maths/__init__.py": '''\
"""Series of numbers."""

from .scaling import mean
from .scaling import scale as rescale

__all__ = ["mean", "rescale"]
''',
    "maths/constants.py": '''\
"""Numbers with names."""

LOW = 0.5
HIGH = 2.0
BASE = 20.0
PEAK = BASE * 5
SPARE = 3.0
''',
    "maths/scaling.py": '''\
"""Series made larger and smaller."""

from .constants import *

value = 100.0


def scale(values: list[float], low: float = LOW, high: float = HIGH) -> list[float]:
    return [low + (high - low) * value / PEAK for value in values]


def shrink(values: list[float]) -> list[float]:
    return [value * 0.5 for value in values]


def stretch(values: list[float]) -> list[float]:
    return [value * 3.0 for value in values]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) * SPARE + value
''',
    "maths/noise.py": '''\
"""A little noise, the same in every process."""

import random

random.seed(11)
NOISE = tuple(round(random.random(), 3) for _ in range(4))
''',
    "maths/windows.py": '''\
"""Windows that move along a series."""

from collections.abc import Callable

import numpy as np

from ..settings import WINDOW
from .noise import NOISE
from .scaling import shrink as inner, stretch as outer

smooth = lambda window: float(window.mean()) * 1.25


def fill(values: list[float]) -> list[float]:
    return values


def trend(width: int) -> Callable[[np.ndarray], float]:
    weights = np.arange(1.0, width + 1)

    def measure(window: np.ndarray) -> float:
        return float(window @ weights) / 6.0

    return measure


def table(values: list[float], width: int = WINDOW) -> list[list[float]]:
    """A row for each window: its trend, its mean, its level, noise."""
    series, level = np.asarray(fill(inner(values))), outer(values)
    measure = trend(width)
    rows = []
    for at in range(len(series) - width):
        window = series[at : at + width]
        rows.append([measure(window), smooth(window), level[at], NOISE[at % len(NOISE)]])
    return rows
''',
    "models/__init__.py": '''\
"""Models, which register themselves."""

from . import flat, linear
from .base import make

__all__ = ["make"]
''',
    "models/base.py": '''\
"""What all models share."""

from ..settings import Config, Season

KINDS: dict[str, type["Model"]] = {}
damping = 0.5


class Model:
    damping = 8.0
    bias = 0.0

    def __init_subclass__(cls, *, kind: str) -> None:
        super().__init_subclass__()
        KINDS[kind] = cls

    def __init__(self, config: Config) -> None:
        self.step = config.step
        self.level = 1.0

    def damped(self, value: float) -> float:
        return value * damping

    def learn(self, table: list[list[float]], weight: float) -> None:
        raise NotImplementedError

    def summary(self, season: Season) -> dict[str, float]:
        return {"level": self.level * season.factor + self.bias}


def make(kind: str, config: Config) -> Model:
    return KINDS[kind](config)
''',
    "models/scoring.py": '''\
"""How good a model is."""

from ..maths.constants import BASE


class Scored:
    level: float

    @staticmethod
    def points(level: float) -> float:
        return 100.0 - level / BASE

    @classmethod
    def best(cls) -> float:
        return cls.points(0.0)

    def score(self) -> float:
        return self.points(self.level) / self.best()
''',
    "models/linear.py": '''\
"""A line through the table."""

from ..settings import Season
from .base import Model
from .scoring import Scored


def gradient(row: list[float], level: float) -> float:
    match row:
        case [trend, mean, top, noise]:
            return trend + mean / 2 + top / 4 + noise - level
        case _:
            raise ValueError(row)


class Linear(Scored, Model, kind="linear"):
    def learn(self, table: list[list[float]], weight: float) -> None:
        for row in table:
            if (change := self.damped(gradient(row, self.level))) != 0.0:
                self.level += change * self.step * weight

    def summary(self, season: Season) -> dict[str, float]:
        return {**super().summary(season), "score": self.score()}
''',
    "models/flat.py": '''\
"""A model that learns nothing."""

from .base import Model


class Flat(Model, kind="flat"):
    def learn(self, table: list[list[float]], weight: float) -> None:
        self.level = 2.0
''',
    "patches.py": '''\
"""Corrections of the other modules, made when this one is imported."""

from . import reporting
from .maths import windows
from .models import linear


def fill_gaps(values: list[float]) -> list[float]:
    return [0.75 if value < 0.35 else value for value in values]


windows.fill = fill_gaps
linear.Linear.bias = 0.25
setattr(reporting.render, "width", 24)
''',
    "checks.py": '''\
"""A decorator that checks what a task gives."""

from collections.abc import Callable
from functools import wraps
from typing import Any


class Checks:
    known: list[Callable[[float], float]] = []

    @classmethod
    def add(cls, function: Callable[[float], float]) -> Callable[[float], float]:
        cls.known.append(function)
        return function


@Checks.add
def finite(value: float) -> float:
    return 0.0 if value != value else value


@Checks.add
def small(value: float) -> float:
    return min(value, 1000.0)


def checked(*, digits: int) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> dict[str, float]:
            result = function(*args, **kwargs)
            for check in Checks.known:
                result = {key: check(value) for key, value in result.items()}
            return {key: round(value, digits) for key, value in result.items()}

        return wrapper

    return decorate
''',
    "styles.py": '''\
"""Frames, chosen by name."""


def frame_plain(text: str) -> str:
    return f"| {text}"


def frame_star(text: str) -> str:
    return f"* {text}"
''',
    "notes.py": '''\
"""What stands below a report."""

SOURCE = "market"


def text() -> str:
    return f"source: {SOURCE}"


def unused() -> str:
    return "nothing"
''',
    "reporting.py": '''\
"""What people read."""

import importlib
import os
from functools import lru_cache, partial, singledispatch
from typing import TYPE_CHECKING, NamedTuple

import pricelib

import forecast

from . import styles

if TYPE_CHECKING:
    from collections.abc import Sequence

DIGITS = int(os.environ.get("FORECAST_DIGITS", "2"))
STYLE = "plain"
STRICT = True
LABEL = "helper unused"
PATTERN = "\\\\d"
LIMIT = 1000
Lines = list[str]
total = 1000
HEAD = """\\
# {title}
strict={strict}"""


class Line(NamedTuple):
    name: str
    value: float
    unit: str = "EUR"


def amount(value: float, digits: int, *, sign: str = "") -> str:
    return f"{sign}{value:.{digits}f}"


money = partial(amount, digits=DIGITS, sign="~")


@singledispatch
def show(value: object) -> str:
    return str(value)


@show.register
def _(value: float) -> str:
    return money(value)


@lru_cache(maxsize=8)
def underline(width: int) -> str:
    return "=" * width


def legend() -> None:
    """Prices in euro."""


def counted():
    count = 0

    def following() -> str:
        nonlocal count
        count += 1
        return f"{count}."

    return following


def footer() -> str:
    notes = importlib.import_module("forecast.notes")
    return notes.text()


def unused() -> str:
    return f"{total} {LIMIT}"


def render(title: str, names: "Sequence[str]", results: list[dict[str, float]]) -> str:
    """The report, line by line."""
    lines, following = Lines(), counted()
    lines.append(HEAD.format(title=title, strict=STRICT))
    lines.append(underline(render.width))
    frame = getattr(styles, f"frame_{STYLE}")
    for name, result in zip(names, results):
        line = Line(name, pricelib.gross(result["level"]))
        lines.append(frame(f"{following()} {line.name} {show(line.value)} {line.unit}"))
    total = sum(result["score"] for result in results)
    lines += [f"total {round(total, 3)} {LABEL} {PATTERN}", legend.__doc__ or ""]
    return "\\n".join([*lines, footer(), forecast.__version__])
''',
    "data/prices.csv": """\
31,5;44,0;12,5
32,0;-999;13,0
35,5;47,5;-1
-1;49,0;14,5
38,0;71,0;15,0
36,5;52,5;15,5
34,0;50,0;1,0
33,5;48,5;16,0
""",
    "data/weights.json": '{"north": 1.0, "south": 1.5, "west": 2.0}\n',
    "data/notes.txt": "Prices are those of the market hall.\n",
}

_PRICELIB = """\
RATE = 1.19


def gross(value: float) -> float:
    return value * RATE
"""

FILES = {
    **{f"{SOURCES}/forecast/{name}": text for name, text in _PROGRAM.items()},
    f"{PACKAGES}/pricelib.py": _PRICELIB,
    f"{PACKAGES}/pricelib-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: pricelib\nVersion: 1.0\n",
    f"{PACKAGES}/pricelib-1.0.dist-info/RECORD": "pricelib.py,,\npricelib-1.0.dist-info/METADATA,,\n",
}
"""The text of every file by its path."""


def write(files: Mapping[str, str], folder: Path) -> Path:
    """Put files below a folder, which is given back."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
