"""The overlay is a store like any other, and the one below stays as it is."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dalsegno_storage.memory import MemoryStore
from dalsegno_storage.overlay import OverlayStore
from dalsegno_storage.protocol import Store
from dalsegno_storage.testing import StoreContract

KEYS = st.binary(min_size=1, max_size=2).map(lambda key: b"k" + key)
CONTENT = st.dictionaries(KEYS, st.binary(max_size=2), max_size=8)


class TestOverlay(StoreContract):
    def open_store(self, folder: Path) -> Store:
        return OverlayStore(MemoryStore())


@given(CONTENT, CONTENT, st.sets(KEYS), KEYS, KEYS)
def test_it_shows_both_and_changes_nothing_below(
    below: dict[bytes, bytes], above: dict[bytes, bytes], gone: set[bytes], start: bytes, stop: bytes
) -> None:
    base = MemoryStore()
    with base.write() as writer:
        for key, value in below.items():
            writer.put(key, value)
    overlay = OverlayStore(base)
    with overlay.write() as writer:
        for key, value in above.items():
            writer.put(key, value)
        for key in gone:
            assert writer.delete(key) == (key in below or key in above)
    expected = {key: value for key, value in {**below, **above}.items() if key not in gone}
    with overlay.read() as reader:
        assert list(reader.scan()) == sorted(expected.items())
        assert list(reader.scan(reverse=True)) == sorted(expected.items(), reverse=True)
        inside = sorted(pair for pair in expected.items() if start <= pair[0] < stop)
        assert list(reader.scan(start, stop)) == inside
        assert all(reader.get(key) == expected.get(key) for key in {*below, *above, *gone})
    overlay.close()
    with base.read() as reader:
        assert dict(reader.scan()) == below
