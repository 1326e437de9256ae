"""What surrounds the code: the Python and the packages that it was recorded with.

Packages are not part of a bundle; their versions are recorded beside it and compared before it runs again.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from dalsegno.errors import DecodeError

__all__ = ["Manifest", "differences", "installed", "manifest"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The Python version ("3.11.7"), its implementation ("cpython"), the platform ("linux-x86_64"), and the version
    by name of every distribution that the code imports."""

    python: str
    implementation: str
    platform: str
    packages: Mapping[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, object]:
        """Plain data, packages sorted by name."""
        return {
            "python": self.python,
            "implementation": self.implementation,
            "platform": self.platform,
            "packages": dict(sorted(self.packages.items())),
        }

    @classmethod
    def from_record(cls, record: object) -> "Manifest":
        """The manifest of a record; DecodeError when the record is not one."""
        match record:
            case {
                "python": str(python),
                "implementation": str(implementation),
                "platform": str(system),
                "packages": dict(packages),
            } if all(isinstance(text, str) for pair in packages.items() for text in pair):
                return cls(python, implementation, system, packages)
        raise DecodeError("the record of an environment has not the form of one")


def manifest(imports: Iterable[str]) -> Manifest:
    """The environment of code that imports these top-level names; `Capture.imports` are such.

    The answer is remembered per set of names. The first one for a name that is not also a distribution's costs some
    50 ms, so call it where nobody waits.
    """
    return _manifest(frozenset(imports))


def installed(recorded: Manifest) -> Manifest:
    """This process's environment as far as the recorded one is concerned, for `differences`."""
    return _here({name: version for name in recorded.packages if (version := _version(name)) is not None})


def differences(recorded: Manifest, current: Manifest) -> list[str]:
    """What differs, one readable line each; packages that only `current` names are no difference."""
    found = [
        f"{name} {before} → {now}"
        for name, before, now in (
            ("Python", recorded.python, current.python),
            ("implementation", recorded.implementation, current.implementation),
            ("platform", recorded.platform, current.platform),
        )
        if before != now
    ]
    for name, version in sorted(recorded.packages.items()):
        now = current.packages.get(name)
        if now is None:
            found.append(f"{name} {version} is not installed")
        elif now != version:
            found.append(f"{name} {version} → {now}")
    return found


@cache
def _manifest(imports: frozenset[str]) -> Manifest:
    packages = {}
    for name in imports - sys.stdlib_module_names:
        for distribution in _distributions(name):
            version = _version(distribution)
            if version is not None:
                packages[distribution] = version
    return _here(dict(sorted(packages.items())))


def _here(packages: dict[str, str]) -> Manifest:
    import platform

    return Manifest(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=f"{sys.platform}-{platform.machine()}",
        packages=packages,
    )


def _distributions(top: str) -> list[str]:
    """The names of the distributions that a top-level name may come from: one of its own name, else by a search."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return [distribution(top).metadata["Name"]]
    except (PackageNotFoundError, ValueError):
        return sorted(set(_by_import_name().get(top, ())))


@cache
def _by_import_name() -> Mapping[str, list[str]]:
    from importlib.metadata import packages_distributions

    return packages_distributions()


@cache
def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None
