"""Package data of a bundle for `importlib.resources`, as ordinary paths."""

from collections.abc import Callable
from importlib.resources.abc import TraversableResources
from pathlib import Path


class BundleResources(TraversableResources):
    """The folder of one package; `folder` is called when somebody looks into it."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    def files(self) -> Path:
        """The folder itself, whose files are private copies."""
        return self._folder()
