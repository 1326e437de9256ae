"""Runs to look at: the forecast of a shop, with what pages find hard to show among it."""

import asyncio
import datetime as dt
import enum
import struct
import time
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

import dalsegno

env = dalsegno.TaskEnvironment("shop")

SCRIPT = (
    "<script>window.broken = true</script><img src=x onerror='window.broken = true'>"
    "`${window.broken = true}` {{ window.broken = true }} </textarea> \\u0060 \\"
)
SEASON = {"winter": 0.8, "spring": 1.0, "summer": 1.3, "autumn": 1.1}


class Method(enum.Enum):
    """How demand is foretold."""

    MEAN = "mean"
    TREND = "trend"
    SEASONAL = "seasonal"


@dataclass(frozen=True)
class Model:
    """What the forecast is made with."""

    method: Method = Method.SEASONAL
    window: int = 28
    weights: dict[str, float] = field(default_factory=lambda: {"recent": 0.7, "past": 0.3})


@env.task
def load_sales(region: str, since: dt.date, days: int) -> pd.DataFrame:
    """What was sold on each day."""
    print(f"loading {days} days of {region} since {since}")
    rows = [
        {
            "day": (since + dt.timedelta(days=number)).isoformat(),
            "units": 40 + number * 7 % 23,
            "revenue": round(9.5 * (40 + number * 7 % 23), 2),
        }
        for number in range(days)
    ]
    time.sleep(0.03)
    return pd.DataFrame(rows)


@env.task
def clean(sales: pd.DataFrame) -> pd.DataFrame:
    """Without the days on which nothing was sold."""
    time.sleep(0.02)
    return sales[sales["units"] > 0].reset_index(drop=True)


@env.task(retries=2)
def fetch_weather(region: str, offset: int = 0) -> list[float]:
    """Temperatures of the last week."""
    attempt = dalsegno.ctx().attempt_number
    print(f"attempt {attempt}: asking the weather of {region}")
    if region == "north" and attempt == 0:
        raise ConnectionError("weather service did not answer within 30 s")
    time.sleep(0.02)
    return [round(11.5 + offset + number * 0.7, 1) for number in range(7)]


@env.task
def season_factor(season: str) -> float:
    """How much of the usual is sold in a season."""
    return SEASON[season]


@env.task
async def forecast(
    sales: pd.DataFrame, weather: list[float], model: Model, season: str, price: Decimal
) -> dict[str, Any]:
    """Units and revenue of the days to come."""
    factor = await season_factor.aio(season)
    await asyncio.sleep(0.04)
    mean = float(sales["units"].tail(model.window).mean())
    units = [round(mean * factor * (1 + 0.01 * (degrees - 12)), 1) for degrees in weather]
    return {"units": units, "revenue": [Decimal(str(each)) * price for each in units], "model": model}


@env.task
def report(region: str, found: dict[str, Any]) -> tuple[bytes, str]:
    """A picture and a page about the forecast."""
    print(f"report for {region}: {len(found['units'])} days")
    bars = found["units"]
    page = f"<h1>Forecast for {region}</h1><p>{sum(bars):.0f} units in {len(bars)} days.</p>{SCRIPT}"
    return picture(
        bars
    ), "<!doctype html><html><body style='font-family: sans-serif'>" + page + "</body></html>"


@env.task
async def forecast_region(
    region: str, since: dt.date, days: int, model: Model, season: str, price: Decimal
) -> tuple[bytes, str]:
    """Everything about one region."""
    sales, weather = await asyncio.gather(load_sales.aio(region, since, days), fetch_weather.aio(region))
    found = await forecast(await clean.aio(sales), weather, model, season, price)
    return await report.aio(region, found)


@env.task
async def plan_week(
    regions: list[str],
    since: dt.date = dt.date(2026, 9, 1),
    days: Annotated[int, Field(ge=7, le=400)] = 60,
    season: Literal["winter", "spring", "summer", "autumn"] = "autumn",
    model: Model = Model(),  # frozen, and read as the recorded default
    price: Decimal = Decimal("9.50"),
    publish: bool = False,
    note: str | None = None,
) -> dict[str, tuple[bytes, str]]:
    """The forecast of every region for the week to come."""
    print(f"planning {', '.join(regions)}")
    if publish and not note:
        raise ValueError("a plan that is published needs a note")
    pages = await asyncio.gather(
        *(forecast_region(region, since, days, model, season, price) for region in regions)
    )
    return dict(zip(regions, pages, strict=True))


@env.task
def odd(text: str) -> str:
    """Prints and fails with something that looks like a page."""
    print(text)
    raise ValueError(text)


@env.task
def square(number: int) -> int:
    """A number by itself."""
    return number * number


@env.task
async def many(count: int) -> int:
    """As many calls as wanted."""
    return sum([await square.aio(number) for number in range(count)])


@env.task
def slow(folder: str) -> str:
    """Print a line for every file that appears, until one is called "end"."""
    seen: set[str] = set()
    print("waiting for files")
    while "end" not in seen:
        for file in sorted(Path(folder).iterdir()):
            if file.name not in seen:
                seen.add(file.name)
                print(f"saw {file.name}")
        time.sleep(0.02)
    return "done"


def picture(bars: list[float], height: int = 120, width: int = 40) -> bytes:
    """A bar chart as PNG."""
    most = max(bars)
    lines = bytearray()
    for row in range(height):
        lines.append(0)
        for bar in bars:
            filled = height - row <= bar / most * (height - 10)
            lines += (bytes((79, 70, 200)) if filled else bytes((244, 245, 248))) * (width - 6)
            lines += bytes((244, 245, 248)) * 6
    header = struct.pack(">IIBBBBB", width * len(bars), height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(lines)))
        + chunk(b"IEND", b"")
    )
