"""A disk that is full or fails ends in an error of ours, loses nothing that was seen done, and the store goes on."""

import errno
import json
import os
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest
from tests.faults.shim import GROWING, Call, Fault
from tests.faults.stage import ROOTS, Stage

KINDS = {
    "no space": Fault("refuse", calls=tuple(GROWING), error=errno.ENOSPC),
    "failing writes": Fault("refuse", calls=(Call.WRITE, Call.TRUNCATE), error=errno.EIO),
    "failing syncs": Fault("refuse", calls=(Call.SYNC,), error=errno.EIO),
    "failing disk": Fault("refuse", error=errno.EIO),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_may_be_the_first_to_be_refused(
    stage: Stage, scheme: str, kind: str, tmp_path: Path, often: int
) -> None:
    """A run on a disk that refuses everything from the n-th call on, for every n; then one on the same engine."""
    place = f"{scheme}://{stage.folder}/store"
    known = stage.play("record", place, name="before", count=2, size=600).said
    start = shutil.copytree(stage.folder, tmp_path / "start")
    fault = KINDS[kind].as_json()
    # A failing disk refuses writes as well, and SQLite makes many calls.
    stride = 3 if often == 1 and (scheme == "sqlite" or kind == "failing writes") else 1
    # SQLite does not say why a call was refused, and this disk has room when it is asked.
    full = kind == "no space"
    wanted = "StoreFullError" if full and scheme == "lmdb" else "StoreError"
    errors: list[str] = []
    for target in count(1, stride):
        shutil.rmtree(stage.folder, ignore_errors=True)
        shutil.copytree(start, stage.folder)
        ended = stage.play("refuse", place, refusal={**fault, "target": target}, name="first", wanted=wanted)
        stage.put_aside(place, [*known, *ended.said], f"{kind} from call {target} on")
        (befell, *names), *_ = (said for said in ended.said if "befell" in said[0])
        errors += names
        if befell == "nothing befell":
            assert names == []
            break
    stage.examine_aside()
    assert len(errors) * stride > 3
    assert "StoreFullError" in errors if full else set(errors) == {"StoreError"}


def small_disk(folder: Path) -> list[str] | str:
    """The command that runs another one with a disk of 8 MB mounted on `folder`, or why there is none."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "there is no unshare(1)"
    mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
    why = ""
    for flags in ("-m", "-rm"):
        command = [unshare, flags, "sh", "-c", mount, str(folder)]
        tried = subprocess.run([*command, "true"], capture_output=True, text=True)
        if tried.returncode == 0:
            return command
        why = tried.stderr.strip()
    return why


def test_a_disk_that_is_full(scheme: str, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    command = small_disk(folder)
    if isinstance(command, str):
        pytest.skip(
            f"NO DISK WAS FILLED, since none can be mounted here: {command}; a refusal is tried above"
        )
    code = """
        import json, sys
        from tests.faults import works
        said = []
        say = lambda *what: said.append(what)
        works.fill(sys.argv[1], say, sys.argv[2])
        works.examine("", lambda *what: said.append(("WRONG", *what)), [(sys.argv[1], list(said))])
        print(json.dumps(said))
    """
    done = subprocess.run(
        [*command, sys.executable, "-c", dedent(code), f"{scheme}://{folder}/store", f"{folder}/ballast"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, ROOTS))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [facts for what, *facts in said if what == "WRONG"] == []
    assert [facts[0] for what, *facts in said if what == "full"] > [2]
    assert said[-1] == ["done", "again", 2]
    assert list(folder.iterdir()) == []  # the disk is gone with the process that had it mounted
