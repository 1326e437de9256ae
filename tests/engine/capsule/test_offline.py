"""A capsule made in one place is executed in another, without the source, without a network, and without loading what is pickled
before that is wanted."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.faults.test_no_execution import TRAP

import dalsegno
import dalsegno_storage

EXAMPLES = Path(__file__).parents[3] / "examples"

NO_NETWORK = """
    import sys

    def refuse(event, arguments):
        # The event loop has a pair of sockets of its own, which lead nowhere.
        if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
            raise OSError(f"{event} is not allowed here")

    sys.addaudithook(refuse)
"""


def isolated(code: str, cwd: Path, store: Path, python: str = sys.executable) -> Any:
    """What Python text prints last, as JSON, in a process that sees the packages, its folder's store and nothing else."""
    roots = [str(Path(str(package.__file__)).parents[1]) for package in (dalsegno, dalsegno_storage)]
    start = f"import sys; sys.path.extend({roots!r})\n" + dedent(NO_NETWORK) + dedent(code)
    done = subprocess.run(
        [python, "-I", "-B", "-W", "error", "-c", start],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "DALSEGNO_STORE": str(store)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def another_environment(folder: Path) -> str:
    """The interpreter of a new virtual environment, which finds the packages of this one."""
    venv.create(folder, with_pip=False)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "here.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    return str(folder / "bin" / "python")


def test_the_digits_are_executed_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    checkout.mkdir()
    elsewhere.mkdir()
    (checkout / "digits.py").write_text((EXAMPLES / "digits.py").read_text())
    made = isolated(
        f"""
        import json
        sys.path.insert(0, {str(checkout)!r})
        import dalsegno, digits

        run = dalsegno.with_runcontext(name="digits").run(digits.digits, cs=[1.0, 10.0], gammas=[0.001])
        run.wait()
        done = dalsegno.export_runs("digits", file={str(tmp_path / "digits.capsule")!r})
        print()
        print(json.dumps([dalsegno.fingerprint(run), done.runs, len(run.actions()), sys.prefix]))
        """,
        checkout,
        tmp_path / "store",
    )
    assert made[1:3] == [["digits"], 5]
    (checkout / "digits.py").unlink()
    (tmp_path / "store").rename(tmp_path / "away")
    seen = isolated(
        f"""
        import json
        import dalsegno
        from dalsegno.errors import UntrustedCodeError

        done = dalsegno.import_capsule({str(tmp_path / "digits.capsule")!r})
        run = dalsegno.Run.get("digits")
        looked = [dalsegno.fingerprint(run), [a.io() for a in run.actions()] and True, "sklearn" in sys.modules]
        try:
            dalsegno.rerun("digits")
            refused = ""
        except UntrustedCodeError as error:
            refused = error.digest
        dalsegno.trust(refused)
        again = dalsegno.with_runcontext(name="again").rerun("digits")
        again.wait()
        same = dalsegno.diff("digits", "again").is_same
        print()
        print(json.dumps([*looked, list(done.bundles) == [refused], dalsegno.fingerprint(again), same,
                          again.result().accuracy == run.result().accuracy, "digits" in sys.modules, sys.prefix]))
        """,
        elsewhere,
        elsewhere / "store",
        another_environment(tmp_path / "venv"),
    )
    assert seen[:4] == [made[0], True, False, True]
    assert seen[4] == made[0]
    assert seen[5:8] == [True, True, True]
    assert seen[8] == str(tmp_path / "venv") != made[3]


LOOKS = (
    "export trapped again first.capsule --store {old}",
    "import first.capsule --store {new}",
    "import first.capsule --store {new}",
    "trust --store {new}",
    "get run --store {new}",
    "get run trapped --store {new}",
    "get action trapped --store {new}",
    "get io trapped --store {new}",
    "get logs trapped --store {new}",
    "get code trapped --store {new}",
    "rerun trapped --help --store {new}",
    "why again --store {new}",
    "diff trapped again --store {new}",
    "check --store {new}",
    "gc --store {new}",
    "backup copy --store {new}",
    "export trapped again second.capsule --store {new}",
)

REFUSED = (
    "rerun trapped --store {new}",
    "rerun again --recover --store {new}",
    "verify trapped --store {new}",
    "verify trapped --process --store {new}",
)


def test_a_pickle_is_not_loaded_by_looking(
    write_files: Callable[..., Path], script: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_files("project", TRAP)
    script(folder / "trap.py", cwd=folder)
    lines = [line.format(old=tmp_path / "store", new=tmp_path / "new") for line in (*LOOKS, *REFUSED)]
    # The source lies there to be imported, and must not be.
    ended = script(
        f"""
        import json, os, sys
        from dalsegno.cli import main

        ended = []
        for line in {lines}:
            sys.argv = ["dalsegno", *line.split()]
            try:
                main()
            except SystemExit as left:
                ended.append([left.code or 0, os.path.exists(os.environ["SPRUNG"]), "trap" in sys.modules])
        print()
        print(json.dumps(ended))
        """,
        cwd=folder,
        path=(folder,),
        SPRUNG=str(tmp_path / "sprung"),
    )
    assert [line for line, (_, *loaded) in zip(lines, ended, strict=True) if any(loaded)] == []
    assert [code for code, *_ in ended] == [0] * 12 + [1] + [0] * 4 + [2] * 4  # two runs that differ are 1
    assert (folder / "first.capsule").read_bytes() == (folder / "second.capsule").read_bytes()


def test_the_trap_works_once_it_is_trusted(
    write_files: Callable[..., Path], script: Callable[..., Any], tmp_path: Path
) -> None:
    folder = write_files("project", TRAP)
    script(folder / "trap.py", cwd=folder)
    script(
        f"""
        import dalsegno
        dalsegno.export_runs("trapped", file="file")
        dalsegno.init({str(tmp_path / "new")!r})
        [bundle] = dalsegno.import_capsule("file").bundles
        dalsegno.trust(bundle)
        dalsegno.Run.get("trapped").result()
        print(1)
        """,
        cwd=folder,
        SPRUNG=str(tmp_path / "sprung"),
    )
    assert (tmp_path / "sprung").exists()
