"""Reruns in environments with the recorded packages, built from wheels that are made here; nothing asks a network.

The packages that dalsegno requires are wheels too, put together again from what is installed.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest

from dalsegno import Engine, _environment_cache, _environments, capsule
from dalsegno.bundle import Manifest, manifest, versions
from dalsegno.errors import EnvironmentBuildError, UntrustedCodeError, UsageError
from dalsegno_storage import open_store

Script = Callable[..., Any]
WriteFiles = Callable[..., Path]

FLOW = {
    "flow.py": """
        import dalsegno
        import toy

        env = dalsegno.TaskEnvironment("flow")

        @env.task
        def tell(more: str = "") -> str:
            return toy.VERSION + more
    """
}

RECORD = """
    import json, dalsegno, flow
    dalsegno.init("store")
    run = dalsegno.with_runcontext(name="first", env_vars={"LEVEL": "1"}).run(flow.tell)
    print(json.dumps(run.result()))
"""


def wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes], metadata: str = "") -> None:
    """Write a wheel that any Python here installs."""
    about = f"{name}-{version}.dist-info"
    content = {
        **files,
        f"{about}/METADATA": (
            metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        ).encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
        for path, data in content.items()
    ]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in content.items():
            archive.writestr(path, data)
        archive.writestr(f"{about}/RECORD", "\n".join([*lines, f"{about}/RECORD,,"]) + "\n")


def repack(folder: Path, name: str) -> None:
    """Write the wheel of an installed distribution."""
    found = distribution(name)
    files = {
        str(file): Path(str(file.locate())).read_bytes()
        for file in found.files or ()
        if not str(file).startswith("..") and ".dist-info" not in str(file) and file.suffix != ".pyc"
    }
    metadata = found.read_text("METADATA")
    assert metadata is not None
    wheel(folder, found.metadata["Name"].replace("-", "_"), found.version, files, metadata)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two versions of a toy, and with what dalsegno requires."""
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        text = f"VERSION = 'toy {version}'\n".encode()
        scripts = f"toy-{version}.dist-info/entry_points.txt"
        wheel(
            folder,
            "toy",
            version,
            {
                "toy.py": text + b"def main(): print(VERSION)\n",
                scripts: b"[console_scripts]\ntoy = toy:main\n",
            },
        )
    for name in versions(["dalsegno"]):
        if name not in ("python", "dalsegno"):
            repack(folder, name)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of all tests that may share what they build."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _offline(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")


@pytest.fixture
def _no_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    without_uv(monkeypatch)


def without_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody find uv."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "uv" else which(name))


@pytest.fixture(scope="module")
def installed_toy(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `sys.path` in which version 1.0 of the toy is installed."""
    folder = tmp_path_factory.mktemp("installed") / "site-packages"
    with zipfile.ZipFile(wheels / "toy-1.0-py3-none-any.whl") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def recorded(script: Script, write_files: WriteFiles, installed_toy: Path) -> str:
    """A store with a run that was recorded with version 1.0 of the toy, which is not installed here."""
    folder = write_files("tree", FLOW)
    assert script(RECORD, cwd=folder, path=(installed_toy,)) == "toy 1.0"
    (folder / "flow.py").unlink()
    return str(folder / "store")


def again(store: str, **changed: Any) -> tuple[Any, Mapping[str, str], bytes, bytes]:
    """What an isolated rerun gives, the packages it was recorded with, and the code digests of both runs."""

    async def main() -> tuple[Any, Mapping[str, str], bytes, bytes]:
        async with Engine(store) as engine:
            run = await engine.with_runcontext(isolation="environment").rerun("first", **changed)
            result = await run.result.aio()
            packages = {
                line.name: line.recorded or "" for line in run.environment() if line.kind == "package"
            }
            return result, packages, engine.get_run("first").record.code_digest, run.record.code_digest

    return anyio.run(main)


@pytest.mark.usefixtures("_no_uv")
def test_the_recorded_version_is_installed_and_used(
    recorded: str, wheels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result, packages, before, after = again(recorded)
    assert result == "toy 1.0"
    assert packages["toy"] == "1.0"
    assert before == after
    # A second one needs neither an index nor wheels, and takes inputs.
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert again(recorded, more="!")[0] == "toy 1.0!"
    (environment,) = _environment_cache.kept()
    assert "toy==1.0" in environment.requirements
    assert not [*environment.folder.parent.glob(f"{environment.folder.name}.*/")]
    assert environment.folder.parent.stat().st_mode & 0o777 == 0o700
    # Its scripts work where it lies.
    done = subprocess.run([environment.folder / "bin" / "toy"], capture_output=True, text=True, check=True)
    assert done.stdout == "toy 1.0\n"


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on PATH")
def test_uv_is_used_where_it_is(recorded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    result, packages, before, after = again(recorded)
    assert (result, packages["toy"], before) == ("toy 1.0", "1.0", after)
    (environment,) = _environment_cache.kept()
    assert "uv = " in (environment.folder / "pyvenv.cfg").read_text()


TOY = Manifest(
    "{}.{}.{}".format(*sys.version_info[:3]), sys.implementation.name, "linux-x86_64", {"toy": "1.0"}
)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Environments without what dalsegno requires, in a cache of their own; gives its folder."""
    without_uv(monkeypatch)
    monkeypatch.setattr(_environments, "_engine", lambda: ([], []))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dalsegno" / "environments"


def test_what_cannot_be_had_is_named(light: Path) -> None:
    with pytest.raises(EnvironmentBuildError, match="toy==3.0 could not be had.*PIP_FIND_LINKS") as caught:
        anyio.run(_environments.provide, replace(TOY, packages={"toy": "3.0"}))
    assert caught.value.missing == ("toy==3.0",)
    assert [file.suffix for file in light.iterdir()] == [".lock"]


def test_two_that_want_the_same_build_it_once(light: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []
    build = _environments._build

    async def counted(what: _environments.Wanted, place: Path) -> None:
        built.append(place)
        await build(what, place)

    monkeypatch.setattr(_environments, "_build", counted)
    got: list[Path] = []

    async def one() -> None:
        got.append(await _environments.provide(TOY))

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)

    # What a killed build has left does not count and goes away.
    place = light / _environments.wanted(TOY).key
    (place / "bin").mkdir(parents=True)
    half = place.with_name(f"{place.name}.dead")
    half.mkdir()
    for folder in (light, light.parent):
        folder.chmod(0o700)
    anyio.run(main)
    assert built == [place]
    assert got == [place, place]
    assert not half.exists()
    assert [each.folder for each in _environment_cache.kept()] == [place]
    # One whose Python is gone is built again.
    (place / "bin" / "python").unlink()
    anyio.run(_environments.provide, TOY)
    assert built == [place, place]
    assert _environment_cache.clear() == 1
    assert _environment_cache.kept() == []
    assert not place.exists()


BUILDER = """
    import sys
    import anyio
    from dalsegno import _environments
    from dalsegno.bundle import Manifest

    _environments._engine = lambda: ([], [])
    _environments.shutil.which = lambda name: None
    build, do = _environments._build, _environments._do
    built = []

    async def counted(what, place):
        built.append(1)
        await build(what, place)

    async def halfway(command, what):
        await do(command, what)
        if "venv" in command:
            print("halfway", flush=True)
            sys.stdin.readline()

    _environments._build = counted
    if sys.argv[1] == "stops":
        _environments._do = halfway
    place = anyio.run(_environments.provide, eval(sys.argv[2], {"Manifest": Manifest}))
    print(place, len(built))
"""


def builder(script: Path, how: str) -> subprocess.Popen[str]:
    """A process that wants the environment of TOY; one that "stops" waits half-way for a line."""
    return subprocess.Popen(
        [sys.executable, script, how, repr(TOY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_processes_build_it_once_after_one_was_killed_half_way(light: Path, tmp_path: Path) -> None:
    script = tmp_path / "builder.py"
    script.write_text(dedent(BUILDER))
    with builder(script, "stops") as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "halfway\n"
        place = light / _environments.wanted(TOY).key
        assert not _environment_cache.is_usable(place)
        assert [each.name for each in light.glob(f"{place.name}.*") if each.is_dir()] != []
        with builder(script, "goes on") as waiting:  # for the lock of one that is at work
            killed.kill()
            killed.wait()
            with builder(script, "goes on") as another:
                said = [each.communicate(timeout=120)[0].split() for each in (waiting, another)]
    assert [where for where, _ in said] == [str(place)] * 2
    assert sorted(number for _, number in said) == ["0", "1"]
    assert _environment_cache.is_usable(place)
    assert [each.name for each in light.glob(f"{place.name}.*") if each.is_dir()] == []
    told = subprocess.run(
        [_environments.python_of(place), "-c", "import toy; print(toy.VERSION)"],
        capture_output=True,
        text=True,
    )
    assert told.stdout == "toy 1.0\n"


def test_another_version_of_python(light: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "bin" / "python3.2"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho not here >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/bin:/bin")
    here = "{}.{}.{}".format(*sys.version_info[:3])
    with pytest.raises(
        EnvironmentBuildError, match=rf"cpython 3\.2\.1, this is cpython {here}.*install Python 3\.2"
    ):
        anyio.run(_environments.provide, replace(TOY, python="3.2.1"))


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        ({"--index-url": "1"}, "has not the form"),
        ({"toy": "1.0 @ https://example.org/toy.whl"}, "has not the form"),
        ({"toy": "1.0\n-r other"}, "has not the form"),
    ],
)
def test_what_an_installer_could_misread_is_refused(
    light: Path, packages: dict[str, str], message: str
) -> None:
    with pytest.raises(EnvironmentBuildError, match=message):
        anyio.run(_environments.provide, replace(TOY, packages=packages))
    assert not light.exists()


def test_packages_that_no_index_has_are_named(light: Path) -> None:
    origin = "git+https://example.org/toy@abc"
    with pytest.raises(
        EnvironmentBuildError, match=r"toy 1\.0 \(git\+https://example.org/toy@abc\)"
    ) as caught:
        anyio.run(_environments.provide, replace(TOY, origins={"toy": origin}))
    assert caught.value.missing == ("toy",)


def test_a_cache_that_others_can_write_to_is_refused(light: Path) -> None:
    light.mkdir(parents=True)
    light.chmod(0o777)
    with pytest.raises(EnvironmentBuildError, match="can be written to by others"):
        anyio.run(_environments.provide, TOY)
    # Not even for one that lies there already: whoever can write there may have put it there.
    place = planted(light)
    assert _environment_cache.is_usable(place)
    with pytest.raises(EnvironmentBuildError, match="can be written to by others"):
        anyio.run(_environments.provide, TOY)


def test_a_cache_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(EnvironmentBuildError, match="cannot be kept in .*XDG_CACHE_HOME"):
        anyio.run(_environments.provide, TOY)


def test_facts_that_cannot_be_read_are_named(light: Path) -> None:
    place = planted(light)
    for facts in ("", "[]", "{}", '{"python": "3.11"}', "\x80"):
        (place / _environment_cache.FACTS).write_bytes(facts.encode("latin-1"))
        with pytest.raises(EnvironmentBuildError, match="is damaged and does not say"):
            _environment_cache.kept()
    place.with_suffix(".lock").touch()
    assert _environment_cache.clear() == 1
    assert _environment_cache.kept() == []


def planted(cache: Path) -> Path:
    """An environment for TOY that nobody has built."""
    place = cache / _environments.wanted(TOY).key
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").touch()
    (place / _environment_cache.FACTS).write_text("{}")
    return place


ORIGINS = [
    ({"url": "file:///home/me/toy", "dir_info": {"editable": True}}, "an editable install"),
    ({"url": "file:///home/me/toy", "dir_info": {}}, "a local file or folder"),
    ({"url": "file:///home/me/toy.whl", "archive_info": {}}, "a local file or folder"),
    (
        {"url": "https://me:secret@example.org/toy?token=1", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "git+https://example.org/toy@abc",
    ),
    ({"url": "https://example.org/toy.whl#sha256=1", "archive_info": {}}, "https://example.org/toy.whl"),
]


def test_where_packages_came_from_is_recorded(
    installed_toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (direct, origin) in enumerate(ORIGINS):
        name = f"origin{number}"
        about = tmp_path / f"{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (about / "direct_url.json").write_text(json.dumps(direct))
        monkeypatch.syspath_prepend(tmp_path)
        taken = manifest([name])
        assert taken.origins == {name: origin}
        assert Manifest.from_record(taken.to_record()) == taken


def test_an_imported_run_is_trusted_before_anything_is_installed(
    recorded: str, light: Path, tmp_path: Path
) -> None:
    file = tmp_path / "first.capsule"
    other = str(tmp_path / "other")
    with closing(open_store(recorded)) as store:
        capsule.export_runs(store, ["first"], file)
    with closing(open_store(other)) as store:
        capsule.import_capsule(store, file)

    async def main() -> None:
        async with Engine(other) as engine:
            with pytest.raises(UntrustedCodeError):
                await engine.with_runcontext(isolation="environment").rerun("first")

    anyio.run(main)
    assert not light.exists()


def test_the_table_shows_what_differs(recorded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVEL", "2")

    async def main() -> None:
        async with Engine(recorded) as engine:
            lines = {line.name: line for line in engine.get_run("first").environment()}
            assert (lines["toy"].recorded, lines["toy"].here, lines["toy"].differs) == ("1.0", None, True)
            assert (lines["LEVEL"].kind, lines["LEVEL"].recorded, lines["LEVEL"].here) == ("env", "1", "2")
            assert not lines["Python"].differs

    anyio.run(main)


def test_a_rerun_is_recorded_with_what_is_here(
    recorded: str, wheels: Path, script: Script, tmp_path: Path
) -> None:
    newer = tmp_path / "site-packages"
    with zipfile.ZipFile(wheels / "toy-2.0-py3-none-any.whl") as archive:
        archive.extractall(newer)
    told = script(
        """
        import json, logging, dalsegno
        logging.disable()
        run = dalsegno.rerun("first")
        run.wait()
        print(json.dumps([run.result(), {line.name: line.recorded for line in run.environment()}["toy"]]))
        """,
        cwd=tmp_path,
        path=(newer,),
        DALSEGNO_STORE=recorded,
    )
    assert told == ["toy 2.0", "2.0"]


def test_new_code_has_no_recorded_environment(recorded: str) -> None:
    import dalsegno

    other = dalsegno.TaskEnvironment("other").task(plain)

    async def main() -> None:
        async with Engine(recorded) as engine:
            with pytest.raises(UsageError, match="recorded code"):
                await engine.with_runcontext(isolation="environment").rerun("first", task_template=other)

    anyio.run(main)


def plain(more: str = "") -> str:
    """A task of this file."""
    return more


def test_a_source_tree_requires_what_the_project_says() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    said = {re.sub(r"^([\w.-]+)[<>=!~][^;]*", r"\1", line) for line in project["dependencies"]}
    assert said == set(_environments.REQUIRED)


def test_a_lock_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (_environment_cache.cache_folder() / "some.lock").mkdir(parents=True)
    with pytest.raises(EnvironmentBuildError, match=r"some\.lock cannot be opened.*remove it"):
        _environment_cache.clear()
