"""`dalsegno ui` as a process: how it begins, what it says, how it ends."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from textwrap import dedent

import httpx
import pytest
from click.testing import CliRunner

from .conftest import Served, dalsegno, environment
from .recorded import Small, small

__all__ = ["small"]


def said(*line: str, cwd: Path) -> tuple[int, str]:
    """How a command ended that does not begin to serve, and what it said."""
    done = subprocess.run(line, env=environment(), cwd=cwd, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_without_the_extra_it_names_the_cure(small: Small) -> None:
    code = """
        import sys

        sys.modules["nicegui"] = None
        from dalsegno.cli import main

        main()
    """
    status, words = said(
        sys.executable, "-c", dedent(code), "--store", small.store, "ui", "--no-open", cwd=small.folder
    )
    assert status == 2
    assert "pip install 'dalsegno[ui]'" in words
    assert "nicegui" in words
    assert "Traceback" not in words


def test_nothing_of_it_is_imported_by_other_commands(small: Small) -> None:
    for line in (["--help"], ["get", "run"]):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "dalsegno", "--store", small.store, *line],
            env=environment(), cwd=small.folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0
        found = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines()}
        assert not found & {"nicegui", "fastapi", "starlette", "uvicorn", "dalsegno.ui"}


def test_the_engine_process_imports_nothing_of_the_page(small: Small) -> None:
    code = "import sys, dalsegno.ui._engine; print({'nicegui', 'fastapi', 'uvicorn'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), cwd=small.folder, capture_output=True, text=True
    )
    assert done.stdout == "set()\n", done.stderr


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, small: Small) -> Callable[..., str]:
    """What `dalsegno ui` says when it does not begin to serve."""
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    monkeypatch.chdir(small.folder)

    def say(*line: str) -> str:
        from dalsegno.cli._app import app

        done = CliRunner().invoke(app, ["ui", "--no-open", *line], prog_name="dalsegno")
        assert done.exit_code == 2
        return done.stderr

    return say


def test_where_there_is_no_store_none_is_made(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "there is no store" in refused("--store", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_port_that_is_taken(refused: Callable[..., str], small: Small) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = refused("--store", small.store, "--port", port)
    assert f"127.0.0.1:{port} cannot be listened at" in words
    assert "--port" in words


def test_another_host_is_refused_without_insecure(refused: Callable[..., str], small: Small) -> None:
    assert "--insecure" in refused("--store", small.store, "--host", "0.0.0.0")


@pytest.mark.parametrize(
    ("line", "screen", "opens"), [([], ":0", True), ([], "", False), (["--no-open"], ":0", False)]
)
def test_a_browser_gets_the_file_and_not_the_token(
    line: list[str], screen: str, opens: bool, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    from dalsegno.cli._app import app
    from dalsegno.ui._entrance import Entrance

    entrance = Entrance("http://127.0.0.1:1", "secret")
    opened: Queue[str] = Queue()
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("webbrowser.open", opened.put)
    monkeypatch.setattr("dalsegno.ui._app.serve", lambda place, ready, **rest: ready("http://x", entrance))
    done = CliRunner().invoke(app, ["ui", "--store", small.store, *line], prog_name="dalsegno")
    entrance.close()
    assert done.exit_code == 0
    assert entrance.file.as_uri() in done.stderr
    assert "secret" not in done.stderr
    if opens:
        assert opened.get(timeout=10) == entrance.file.as_uri()
    else:
        assert opened.empty()


def test_with_insecure_it_is_called_what_the_machine_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    from dalsegno.ui import _app

    monkeypatch.setattr("socket.gethostname", lambda: "here")
    monkeypatch.setattr("socket.getfqdn", lambda: "here.example")
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [(0, 0, 0, "", ("192.0.2.1", 0))])
    names = ("here", "127.0.0.1", "localhost", "here.example", "192.0.2.1")
    assert _app._names("0.0.0.0", insecure=True) == names
    assert _app._names("192.0.2.7", insecure=True) == ("192.0.2.7", "127.0.0.1", "localhost")
    assert _app._names("localhost", insecure=False) == ("127.0.0.1", "localhost")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_it_ends_in_order_and_takes_its_token_along(
    number: signal.Signals, status: int, small: Small, tmp_path: Path
) -> None:
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    with subprocess.Popen(
        dalsegno(small.store, "ui", "--no-open", "--port", "0"),
        env={**environment(), "XDG_RUNTIME_DIR": str(tmp_path)},
        cwd=small.folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("http://127.0.0.1:")
        assert "file://" in process.stderr.readline()
        assert [each.name for each in tmp_path.iterdir()] != []
        process.send_signal(number)
        rest = process.stderr.read()
        assert (process.wait(20), rest.strip()) == (status, "")
    assert [*tmp_path.iterdir()] == []


def test_what_is_insecure_still_wants_its_token_and_its_name(small: Small, tmp_path: Path) -> None:
    pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
    with subprocess.Popen(
        dalsegno(small.store, "ui", "--no-open", "--host", "127.0.0.2", "--insecure", "--port", "0"),
        env={**environment(), "XDG_RUNTIME_DIR": str(tmp_path)},
        cwd=small.folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        address = process.stderr.readline().split()[0]
        assert address.startswith("http://127.0.0.2:")
        assert "file://" in process.stderr.readline()
        (token,) = (each.read_text() for each in tmp_path.glob("*/token"))
        runs, own = f"{address}/api/v1/runs", {"Authorization": f"Bearer {token}"}
        assert httpx.get(runs).status_code == 401
        assert httpx.get(runs, headers={**own, "Host": "elsewhere:80"}).status_code == 403
        assert httpx.get(runs, headers={**own, "Origin": "http://elsewhere"}).status_code == 403
        assert httpx.get(runs, headers=own).status_code == 200
        process.terminate()
        process.wait(20)


def test_it_listens_on_this_machine_alone(served: Served) -> None:
    port = int(served.address.rpartition(":")[2])
    listening = [
        row.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for row in Path(table).read_text().splitlines()[1:]
        if row.split()[3] == "0A" and row.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]
