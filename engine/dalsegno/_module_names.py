"""Under which name a module is recorded.

A module can be called something else in this process than in the record: a script is `__main__`, and recorded code
that is loaded beside other versions of itself has a private prefix. Everything that writes a module's name into a
record asks here.
"""

private: dict[str, str] = {}
"""The recorded names of the modules that are loaded under a private prefix."""


def recorded_module_name(name: str) -> str:
    """The recorded name of the module that is called `name` in this process; most are the same."""
    if name in ("__main__", "__mp_main__"):
        from dalsegno.bundle._modules import main_name  # knows how modules came to be, and is long to import

        return main_name() or name
    return private.get(name, name)
