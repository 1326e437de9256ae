"""Codecs of other packages."""

import importlib.metadata
import sys
from typing import Any

import pytest

from dalsegno.codec import _registry as registry
from dalsegno.codec import decode, encode, register, view
from dalsegno.errors import DecodeError, EncodeError


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


class Coin(Money):
    pass


class MoneyCodec:
    name = "test.money"
    types = (f"{__name__}.Money",)

    def encode(self, value: Any) -> bytes:
        return str(value.cents).encode()

    def decode(self, data: bytes) -> Any:
        return Money(int(data))


class Broken(MoneyCodec):
    name = "test.broken"

    def encode(self, value: Any) -> bytes:
        raise OSError("no change")


class Points:
    """Stands for the entry points that are installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[importlib.metadata.EntryPoint] = []
        self.asked = 0
        monkeypatch.setattr(importlib.metadata, "entry_points", self._get)

    def _get(self, group: str) -> list[importlib.metadata.EntryPoint]:
        assert group == "dalsegno.codecs"
        self.asked += 1
        return self.found

    def add(self, name: str) -> None:
        module = f"{__name__}:{name}"
        self.found.append(importlib.metadata.EntryPoint(name, module, "dalsegno.codecs"))


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Points:
    monkeypatch.setattr(registry, "_by_name", {})
    monkeypatch.setattr(registry, "_by_type", {})
    monkeypatch.setattr(registry, "_loaded", False)
    assert sys.modules[__name__].Money is Money
    return Points(monkeypatch)


def test_a_registered_codec_takes_its_types_exactly(points: Points) -> None:
    register(MoneyCodec())
    encoded = encode([Money(5)])
    assert not encoded.opaque
    assert decode(encoded.data)[0].cents == 5
    assert view(encoded.data) == [{"$type": f"{__name__}.Money", "codec": "test.money", "$size": 1}]
    assert points.asked == 0
    assert encode(Coin(5)).opaque


def test_installed_codecs_are_loaded_once_and_only_when_needed(points: Points) -> None:
    points.add("MoneyCodec")
    encode([1, "x", (2,), {3}])
    assert points.asked == 0
    data = encode(Money(7)).data
    assert decode(data).cents == 7
    encode(Coin(1))
    encode(lambda: 1)
    assert points.asked == 1


def test_reading_loads_them_too(points: Points) -> None:
    register(MoneyCodec())
    data = encode(Money(7)).data
    registry._by_name.clear()
    points.add("MoneyCodec")
    assert decode(data).cents == 7


def test_a_codec_that_is_gone_is_named(points: Points) -> None:
    register(MoneyCodec())
    data = encode(Money(7)).data
    registry._by_name.clear()
    with pytest.raises(DecodeError, match=r"Money needs the codec 'test.money'; install"):
        decode(data)


def test_an_installed_codec_that_cannot_be_loaded_is_a_warning(points: Points) -> None:
    points.add("Nonsense")
    points.add("MoneyCodec")
    with pytest.warns(RuntimeWarning, match="Nonsense.*cannot be used"):
        encoded = encode(Money(1))
    assert not encoded.opaque


def test_a_codec_that_fails_is_an_error_that_names_it(points: Points) -> None:
    register(Broken())
    with pytest.raises(EncodeError, match=r"value\['m'\] cannot .*its codec 'test.broken' failed: no change"):
        encode({"m": Money(1)})
