"""What is shown in the place of something that is not there or cannot be read."""

from __future__ import annotations

from dalsegno.errors import NotFoundError
from dalsegno.ui.pages._elements import empty, tag
from dalsegno_storage.errors import DalsegnoError


def show_error(error: DalsegnoError) -> None:
    """Say what is wrong in words."""
    found = not isinstance(error, NotFoundError)
    with tag("div", "page"), tag("div", "box"):
        empty(
            "report" if found else "search_off", "This cannot be shown" if found else "Not found", str(error)
        )
