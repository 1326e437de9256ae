"""What the package promises is what it has."""

import importlib
import pkgutil

import dalsegno_storage


def test_the_table_of_contents() -> None:
    modules = {info.name for info in pkgutil.iter_modules(dalsegno_storage.__path__)}
    public = {name for name in vars(dalsegno_storage) if not name.startswith("_")} - modules
    assert dalsegno_storage.__all__ == sorted(public)


def test_every_module_has_one() -> None:
    for info in pkgutil.iter_modules(dalsegno_storage.__path__):
        module = importlib.import_module(f"dalsegno_storage.{info.name}")
        assert module.__all__ == sorted(module.__all__), info.name
        assert all(hasattr(module, name) for name in module.__all__), info.name
        assert module.__doc__, info.name
