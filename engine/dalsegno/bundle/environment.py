"""What surrounds the code: the Python and the packages that it was recorded with.

Packages are not part of a bundle; their versions are recorded beside it and compared before it runs again.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from secrets import token_hex

from dalsegno.errors import DecodeError

__all__ = ["Manifest", "differences", "installed", "manifest", "versions"]


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


def versions(imports: Iterable[str]) -> Mapping[str, str]:
    """The versions by name of all that may decide what code with these top-level imports does.

    That is this Python ("cpython 3.11"), the distributions that the names come from, and those which these require, to
    any depth. What is there without a version is new in every process, since nothing tells whether it changed; what
    is not there has the version "".
    """
    major, minor = sys.version_info[:2]
    found = {"python": f"{sys.implementation.name} {major}.{minor}"}
    waiting: list[str] = []
    for name in sorted(frozenset(imports) - sys.stdlib_module_names):
        distributions = _distributions(name)
        waiting += distributions
        if not distributions:
            found[name] = f"unknown {_THIS_PROCESS}" if _is_importable(name) else ""
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        version = _version(name)
        plain = _plain(name)
        if version is None or plain in seen:
            continue
        seen.add(plain)
        found[plain] = version
        waiting += _requirements(name)
    return dict(sorted(found.items()))


_THIS_PROCESS = token_hex(8)


def _plain(name: str) -> str:
    """A distribution's name as all its spellings have it in common."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def _requirements(name: str) -> tuple[str, ...]:
    """The names of the distributions that one requires, but for those of its extras."""
    from importlib.metadata import requires

    found = [re.match(r"[A-Za-z0-9._-]+", line) for line in requires(name) or () if "extra ==" not in line]
    return tuple(match[0] for match in found if match is not None)


def _is_importable(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return name in sys.modules


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
