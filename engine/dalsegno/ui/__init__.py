"""The web page and its JSON API, served by a process of its own for the store that an engine is writing to.

Nothing in here is imported unless `dalsegno ui` is run. NiceGUI and FastAPI, which are in the extra `ui`, are imported by
`_app`, `_api` and `pages` alone.
"""

__all__ = list[str]()
