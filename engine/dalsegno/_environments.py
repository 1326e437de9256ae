"""Environments with the packages of recorded runs: built once, kept, and used by processes of their own.

An environment is a virtual environment in the user's cache, named after what it is made from: the version of Python, the
requirements, and where dalsegno lies. The recorded packages are required by their exact versions; what dalsegno needs
besides, in any version that it takes. dalsegno itself is not installed but linked: the process must understand this store
as the present one does, whatever was recorded, and nothing else that lies beside it may be seen.

A build is made in a folder beside its place and renamed when it is complete, under a lock of its name: so one that is
killed leaves nothing that counts, and of two processes one builds while the other waits. Names and versions come from
records, which may come from elsewhere; they are looked at before an installer sees them, and whoever calls this has made
sure that the run is trusted, since installing a package can execute it.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import anyio

from dalsegno._environment_cache import FACTS, cache_folder, is_usable, locked, make_private, remove
from dalsegno.bundle import Manifest, installed
from dalsegno.errors import EnvironmentBuildError

LAYOUT = 1
"""Part of every name; another layout makes all environments anew."""

LONGEST = 6
"""So many lines of an installer's last words are told."""

REDIRECTING = frozenset(
    [
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONUSERBASE",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_PYTHON",
        "PIP_REQUIREMENT",
        "PIP_DRY_RUN",
        "PIP_REPORT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_TARGET",
        "UV_PREFIX",
        "UV_PROJECT",
        "UV_PROJECT_ENVIRONMENT",
    ]
)
"""Variables that would let an environment see, or be, another place."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.!+_-]*[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment is made from; `python` is "3.11", `linked` are folders that are seen from inside."""

    python: str
    recorded_python: str
    implementation: str
    requirements: tuple[str, ...]
    linked: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name of the environment."""
        parts = [
            LAYOUT,
            self.python,
            self.implementation,
            sys.platform,
            platform.machine(),
            self.requirements,
            self.linked,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def wanted(manifest: Manifest) -> Wanted:
    """What the environment of a manifest is made from; EnvironmentBuildError for what no index has."""
    origins = {**installed(manifest).origins, **manifest.origins}
    elsewhere = [
        f"{name} {manifest.packages[name]} ({origin})"
        for name, origin in sorted(origins.items())
        if manifest.packages.get(name) is not None
    ]
    if elsewhere:
        raise EnvironmentBuildError(
            f"the recorded environment has what was not installed from a package index: {', '.join(elsewhere)}; what an index "
            f"has under that name may be something else, so run it where these are installed, with isolation='process'",
            [each.partition(" ")[0] for each in elsewhere],
        )
    requirements = []
    for name, version in manifest.packages.items():
        if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
            raise EnvironmentBuildError(f"the recorded package {name!r} {version!r} has not the form of one")
        if name != "dalsegno":
            requirements.append(f"{name}=={version}")
    match = re.match(r"\d+\.\d+", manifest.python)
    if match is None:
        raise EnvironmentBuildError(
            f"the recorded Python version {manifest.python!r} has not the form of one"
        )
    own, linked = _engine()
    return Wanted(
        match[0],
        manifest.python,
        manifest.implementation,
        (*sorted(requirements), *own),
        tuple(map(str, linked)),
    )


async def provide(manifest: Manifest) -> Path:
    """The folder of the environment with that manifest's packages, built now if it is not there.

    Without a network that works for one that was built before, and where the installer finds all packages in places of its
    own. Raises EnvironmentBuildError with what could not be had.
    """
    what = wanted(manifest)
    place = cache_folder() / what.key
    try:
        make_private(place.parent)
        if is_usable(place):
            return place
        async with locked(place.with_suffix(".lock")):
            if not is_usable(place):
                await _build(what, place)
    except OSError as error:
        raise EnvironmentBuildError(
            f"the recorded environment cannot be kept in {place.parent}: {error}; make room or mend that folder, or name "
            f"another place with XDG_CACHE_HOME"
        ) from error
    return place


def python_of(environment: Path) -> str:
    """The interpreter of an environment."""
    return str(environment / "bin" / "python")


def variables_of(environment: Path) -> dict[str, str]:
    """The variables of this process as one in that environment should see them."""
    path = os.environ.get("PATH", os.defpath)
    return {
        **_own_variables(),
        "VIRTUAL_ENV": str(environment),
        "PATH": f"{environment / 'bin'}{os.pathsep}{path}",
    }


# Building


async def _build(what: Wanted, place: Path) -> None:
    """Make an environment; the lock of its name is held."""
    remove(place)
    interpreter = await _interpreter(what)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.") as temporary:
        folder = Path(temporary) / "environment"
        listed = Path(temporary) / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in what.requirements), encoding="utf-8")
        uv = shutil.which("uv")
        python = str(folder / "bin" / "python")
        if uv is not None:
            make = [uv, "venv", "--quiet", "--no-project", "--python", interpreter, str(folder)]
            install = [uv, "pip", "install", "--quiet", "--python", python, "-r", str(listed)]
        else:
            has_pip = find_spec("pip") is not None
            pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
            make = [interpreter, "-m", "venv", *(["--without-pip"] if has_pip else []), str(folder)]
            install = [
                *pip,
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "-r",
                str(listed),
            ]
        await _do(make, what)
        await _do(install, what)
        for linked in map(Path, what.linked):
            (_packages_of(folder) / linked.name).symlink_to(linked)
        _say_where_it_will_be(folder, place)
        facts = {"python": what.python, "requirements": what.requirements}
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
        folder.rename(place)


async def _do(command: Sequence[str], what: Wanted) -> None:
    try:
        done = await anyio.run_process(
            command, check=False, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=_own_variables()
        )
    except OSError as error:
        raise EnvironmentBuildError(
            f"the recorded environment cannot be built, since {command[0]} cannot be run: {error}"
        ) from error
    if done.returncode:
        raise _failed(command, done.stdout.decode(errors="replace"), what)


def _failed(command: Sequence[str], output: str, what: Wanted) -> EnvironmentBuildError:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = "\n".join(line for line in lines if not line.startswith("WARNING")) or output
    missing = [line for line in what.requirements if _is_named(line, errors)]
    tool = "uv" if Path(command[0]).name == "uv" else "pip" if "pip" in command else "venv"
    cure = {
        "uv": "UV_FIND_LINKS and UV_OFFLINE=1",
        "pip": "PIP_FIND_LINKS and PIP_NO_INDEX=1",
    }.get(tool)
    return EnvironmentBuildError(
        f"the recorded environment cannot be built with Python {what.python}"
        + (f": {', '.join(missing)} could not be had" if missing else "")
        + (f"; reach a package index, or name a folder of wheels with {cure}" if cure else "")
        + f" ({tool} says: {' / '.join(errors.splitlines()[-LONGEST:])})",
        missing,
    )


def _is_named(requirement: str, text: str) -> bool:
    name = re.split(r"[^A-Za-z0-9._-]", requirement)[0]
    spelled = "[-_.]+".join(map(re.escape, re.split(r"[-_.]+", name)))
    return re.search(rf"(?<![\w.-]){spelled}(?![\w-])", text, re.IGNORECASE) is not None


async def _interpreter(what: Wanted) -> str:
    """A Python of the recorded version: this one, one on PATH, or what uv makes of the number."""
    if what.implementation == sys.implementation.name:
        if what.python == "{}.{}".format(*sys.version_info[:2]):
            return sys.executable
        found = shutil.which(f"python{what.python}")
        if found is not None and await _is_python(found, what):
            return found
        if shutil.which("uv") is not None:
            return what.python
    raise EnvironmentBuildError(
        f"the run was recorded with {what.implementation} {what.recorded_python}, this is {sys.implementation.name} "
        f"{platform.python_version()}, and there is no python{what.python} on PATH that works; install Python {what.python}, "
        f"or uv, which gets it"
    )


async def _is_python(command: str, what: Wanted) -> bool:
    """Whether it is that Python; a name on PATH can be a shim that only explains itself."""
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    done = await anyio.run_process([command, "-I", "-c", code], check=False, env=_own_variables())
    return done.stdout.decode(errors="replace").split() == [what.implementation, what.python]


def _say_where_it_will_be(folder: Path, place: Path) -> None:
    """Let the scripts of an environment name the folder that it is about to have."""
    for script in (folder / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            data = script.read_bytes()
            if b"\0" not in data:
                script.write_bytes(data.replace(os.fsencode(folder), os.fsencode(place)))


def _engine() -> tuple[list[str], list[Path]]:
    """What the running dalsegno requires, and the folders that it consists of."""
    from importlib.metadata import PackageNotFoundError, distribution

    folders = [Path(sys.modules[name].__path__[0]).absolute() for name in ("dalsegno", "dalsegno_storage")]
    try:
        found = distribution("dalsegno")
    except PackageNotFoundError:
        return [*REQUIRED], folders
    about = [Path(str(file.locate())).parent for file in found.files or () if file.name == "METADATA"]
    return sorted(line for line in found.requires or () if "extra ==" not in line), [*folders, *about[:1]]


REQUIRED = (
    "anyio",
    "backports.zstd; python_version < '3.14'",
    "click",
    "cloudpickle",
    "lmdb",
    "msgpack",
    "pydantic",
    "rich",
    "rich-click",
)
"""What dalsegno requires, where it runs from a source tree that was never installed and so nothing says it."""


def _packages_of(folder: Path) -> Path:
    return next(folder.glob("lib/*/site-packages"))


def _own_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in REDIRECTING}
