"""What surrounds the code: the Python and the packages that it was recorded with.

Packages are not part of a bundle; their versions are recorded beside it and compared before it runs again.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from secrets import token_hex

from dalsegno.errors import DecodeError

__all__ = ["Manifest", "differences", "installed", "manifest", "versions"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The Python version ("3.11.7"), its implementation ("cpython"), the platform ("linux-x86_64"), and the version
    by name of every distribution that the code imports, and of those that these require, to any depth.

    What dalsegno requires is left out: it is not what the code was written against. `origins` says of distributions
    that no package index gave where they came from, as in "an editable install".
    """

    python: str
    implementation: str
    platform: str
    packages: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, object]:
        """Plain data, packages sorted by name; without `origins` if there are none."""
        record: dict[str, object] = {
            "python": self.python,
            "implementation": self.implementation,
            "platform": self.platform,
            "packages": dict(sorted(self.packages.items())),
        }
        if self.origins:
            record["origins"] = dict(sorted(self.origins.items()))
        return record

    @classmethod
    def from_record(cls, record: object) -> "Manifest":
        """The manifest of a record; DecodeError when the record is not one."""
        match record:
            case {
                "python": str(python),
                "implementation": str(implementation),
                "platform": str(system),
                "packages": dict(packages),
                **rest,
            }:
                origins = rest.get("origins", {})
                if _are_texts(packages) and isinstance(origins, dict) and _are_texts(origins):
                    return cls(python, implementation, system, packages, origins)
        raise DecodeError("the record of an environment has not the form of one")


def _are_texts(names: Mapping[object, object]) -> bool:
    return all(isinstance(text, str) for pair in names.items() for text in pair)


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
    found |= {_plain(name): version for name, version in _with_requirements(waiting)}
    return dict(sorted(found.items()))


def _with_requirements(names: Iterable[str], *, but: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """The name and version of these distributions and of all that they require, but for what those named `but` do."""
    waiting = [*names]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        named = _named(name)
        plain = _plain(name)
        if named is None or plain in seen:
            continue
        seen.add(plain)
        yield named
        if plain not in but:
            waiting += _requirements(name)


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
    named = [found for name in imports - sys.stdlib_module_names for found in _distributions(name)]
    return _here(dict(_with_requirements(named, but=("dalsegno",))))


def _here(packages: dict[str, str]) -> Manifest:
    import platform

    return Manifest(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=f"{sys.platform}-{platform.machine()}",
        packages=dict(sorted(packages.items())),
        origins={name: origin for name in sorted(packages) if (origin := _origin(name))},
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


def _version(name: str) -> str | None:
    named = _named(name)
    return None if named is None else named[1]


@cache
def _named(name: str) -> tuple[str, str] | None:
    """The name as the distribution itself spells it, and its version; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError:
        return None
    return metadata["Name"] or name, metadata["Version"]


@cache
def _origin(name: str) -> str:
    """Where a distribution came from if not from an index, without folders of this machine and without passwords."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = None if name == "dalsegno" else distribution(name).read_text("direct_url.json")
    except PackageNotFoundError:
        return ""
    if text is None:
        return ""
    import json

    try:
        match json.loads(text):
            case {"dir_info": {"editable": True}}:
                return "an editable install"
            case {"url": str(url), "vcs_info": {"vcs": str(vcs), "commit_id": str(commit)}}:
                return f"{vcs}+{_public(url)}@{commit}"
            case {"url": str(url), "archive_info": _} if not url.startswith("file:"):
                return _public(url)
    except ValueError:
        pass
    return "a local file or folder"


def _public(url: str) -> str:
    """A URL without who asks for it and without a query, which may hold secrets; no folder of this machine."""
    scheme, _, rest = url.partition("://")
    place, _, path = re.split(r"[?#]", rest)[0].partition("/")
    return "a local repository" if scheme == "file" else f"{scheme}://{place.rpartition('@')[2]}/{path}"
