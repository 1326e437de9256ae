"""Nobody gets in without the right host, origin and token: every route, every method, and websockets."""

import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import pytest

from dalsegno.config import Config
from dalsegno.errors import ConfigError
from dalsegno_storage import open_store

from .conftest import Served

pytest.importorskip("nicegui", reason="the pages need the extra `ui`")
from starlette.routing import BaseRoute, Mount, Route

from dalsegno.ui._access import HEADERS, Access, guard_for
from dalsegno.ui._app import LOOPBACK, build, serve
from dalsegno.ui._entrance import Entrance, new_token
from dalsegno.ui._store import Reader

HOST = "127.0.0.1:8237"
TOKEN = "t" * 43
GUARD = guard_for(8237, TOKEN, LOOPBACK)
COOKIE = f"dalsegno-8237={TOKEN}"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
VISIT = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}

Headers = Mapping[str, str | None]

REFUSED: Mapping[str, tuple[Headers, int]] = {
    "no host": ({"host": None}, 403),
    "another host": ({"host": "evil.example:8237"}, 403),
    "a name that ends like ours": ({"host": "evil.localhost:8237"}, 403),
    "another port": ({"host": "127.0.0.1:80"}, 403),
    "no port": ({"host": "127.0.0.1"}, 403),
    "another address of this machine": ({"host": "127.0.0.2:8237"}, 403),
    "another origin": ({"origin": "http://evil.example"}, 403),
    "the origin of another port": ({"origin": "http://127.0.0.1:3000"}, 403),
    "another of our names": ({"origin": "http://localhost:8237"}, 403),
    "an origin that is none": ({"origin": "null"}, 403),
    "an origin of another kind": ({"origin": f"file://{HOST}"}, 403),
    "an origin that is no address": ({"origin": "http://[::1"}, 403),
    "caused by another site": ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    "caused by another port": ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
    "in a frame of another site": ({**VISIT, "sec-fetch-dest": "iframe"}, 403),
    "no token": ({"cookie": None}, 401),
    "an empty token": ({"cookie": "dalsegno-8237="}, 401),
    "another token": ({"cookie": f"dalsegno-8237={TOKEN[:-1]}u"}, 401),
    "more than the token": ({"cookie": f"{COOKIE}t"}, 401),
    "the cookie of another server": ({"cookie": f"dalsegno-9000={TOKEN}"}, 401),
    "a cookie that cannot be read": ({"cookie": "\x01"}, 401),
    "the wrong token for programs": ({"authorization": "Bearer x"}, 401),
    "another scheme": ({"cookie": None, "authorization": f"Basic {TOKEN}"}, 401),
}
LET_IN: Mapping[str, Headers] = {
    "the cookie": {},
    "the cookie among others": {"cookie": f"a=b; {COOKIE}; c=d"},
    "the cookie behind one that nobody can read": {"cookie": f'a={{"b": [1, "c"]}}; \xff; {COOKIE}'},
    "our own origin": {"origin": f"http://{HOST}"},
    "our other name": {"host": "LOCALHOST:8237", "origin": "http://localhost:8237"},
    "the token for programs": {"cookie": None, "authorization": f"Bearer {TOKEN}"},
    "our own page": {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
    "typed by the visitor": {"sec-fetch-site": "none", "sec-fetch-mode": "navigate"},
}


class Inside:
    """An application that answers everything and remembers who came in."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope["path"])
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        headers = [(b"x-frame-options", b"ALLOWALL"), (b"x-own", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"secret"})


def asked(kind: str, method: str, path: str, changed: Headers, body: bytes = b"") -> tuple[int, Any, bool]:
    """What is answered: the status or the websocket's code, the last message with its headers, and whether it came in."""
    headers = {"host": HOST, "cookie": COOKIE, **changed}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "headers": [(key.encode(), value.encode()) for key, value in headers.items() if value is not None],
    }
    inside, sent = Inside(), list[Any]()
    first = "websocket.connect" if kind == "websocket" else "http.request"

    async def receive() -> Any:
        return {"type": first, "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    anyio.run(Access(inside, GUARD), scope, receive, send)
    start = sent[0]
    status = start["status"] if kind == "http" else start.get("code", 101)
    return status, sent, bool(inside.seen)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every address of the real application: the API, the pages, NiceGUI's own files and its socket."""
    place = str(tmp_path_factory.mktemp("access") / "store")
    open_store(place).close()
    reader = Reader(Config(place))
    try:
        access = build(reader, GUARD)
        return sorted({*addresses(access.app.routes)})  # type: ignore[attr-defined]  # it is a FastAPI
    finally:
        reader.close()


def addresses(routes: list[BaseRoute], above: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount):
            yield f"{above}{route.path}/x"
            yield from addresses(route.routes, above + route.path)
        elif isinstance(route, Route):
            yield above + "".join("x" if part.startswith("{") else part for part in split(route.path))
        else:
            raise AssertionError(f"what is {route}?")


def split(path: str) -> list[str]:
    """The parts of a path, those in braces apart."""
    return path.replace("{", "\n{").replace("}", "}\n").split("\n")


def test_the_table_of_routes_is_whole(paths: list[str]) -> None:
    wanted = {
        "/", "/run/x", "/run/x/action/x/rerun", "/compare", "/api/v1/runs", "/api/v1/runs/x/actions/x/rerun",
        "/api/v1/openapi.json", "/dalsegno-static/x", "/_nicegui_ws/x",
    }  # fmt: skip
    assert wanted <= {*paths}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_every_address_in_every_way(case: str, paths: list[str]) -> None:
    changed, wanted = REFUSED[case]
    for path in paths:
        for method in METHODS:
            status, sent, came_in = asked("http", method, path, changed)
            assert (status, came_in) == (wanted, False), f"{method} {path}"
            assert TOKEN not in str(sent)
        code, _, came_in = asked("websocket", "GET", path, changed)
        assert (code, came_in) == (4000 + wanted, False), f"websocket {path}"


@pytest.mark.parametrize("case", LET_IN)
def test_let_in_at_every_address_in_every_way(case: str, paths: list[str]) -> None:
    for path in paths:
        for method in METHODS:
            assert asked("http", method, path, LET_IN[case])[::2] == (200, True), f"{method} {path}"
        assert asked("websocket", "GET", path, LET_IN[case])[::2] == (101, True), path


def test_a_visitor_may_follow_a_link_from_elsewhere_but_nothing_else_comes_from_there() -> None:
    assert asked("http", "GET", "/run/x", VISIT)[::2] == (200, True)
    assert asked("http", "POST", "/run/x", VISIT)[::2] == (403, False)
    assert asked("websocket", "GET", "/_nicegui_ws/x", VISIT)[::2] == (4403, False)


def test_two_hosts_are_no_host() -> None:
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", HOST.encode()), (b"host", b"evil.example"), (b"cookie", COOKIE.encode())]
    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    inside = Inside()
    anyio.run(Access(inside, GUARD), scope, cast(Any, None), send)
    assert (sent[0]["status"], inside.seen) == (403, [])


def test_a_kind_of_request_that_nobody_knows_is_not_let_in() -> None:
    inside = Inside()
    scope: Any = {"type": "webtransport", "path": "/", "headers": []}
    anyio.run(Access(inside, GUARD), scope, cast(Any, None), cast(Any, None))
    assert inside.seen == []


@pytest.mark.parametrize("goes", [True, False])
def test_an_error_is_told_only_if_somebody_waits(goes: bool) -> None:
    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError("no response")

    async def receive() -> Any:
        return {"type": "http.disconnect" if goes else "http.request"}

    headers = [(b"host", HOST.encode()), (b"cookie", COOKIE.encode())]
    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    with nullcontext() if goes else pytest.raises(RuntimeError):
        anyio.run(Access(inside, GUARD), scope, receive, cast(Any, None))


@pytest.mark.parametrize("changed", [{}, {"cookie": None}, {"host": "evil.example"}])
def test_every_answer_has_the_headers(changed: Headers) -> None:
    _, sent, _ = asked("http", "GET", "/api/v1/runs", changed)
    found = sent[0]["headers"]
    for pair in HEADERS.items():
        assert found.count(pair) == 1
    assert [value for name, value in found if name == b"x-frame-options"] == [b"DENY"]
    assert (b"cache-control", b"no-store") in found


def test_only_files_of_packages_may_be_kept() -> None:
    _, sent, _ = asked("http", "GET", "/_nicegui/3/static/nicegui.js", {})
    assert b"cache-control" not in dict(sent[0]["headers"])
    _, sent, _ = asked("http", "GET", "/_nicegui/3/static/nicegui.js", {"cookie": None})
    assert (b"cache-control", b"no-store") in sent[0]["headers"]


# The entrance


def entered(changed: Headers, body: str, method: str = "POST") -> tuple[int, Any]:
    status, sent, came_in = asked("http", method, "/open", {"cookie": None, **changed}, body.encode())
    assert not came_in
    return status, sent


@pytest.mark.parametrize("origin", [None, "null", f"http://{HOST}"])
def test_the_token_is_posted_from_its_file(origin: str | None) -> None:
    status, sent = entered({"origin": origin, "sec-fetch-site": "cross-site"}, f"token={TOKEN}")
    (cookie,) = [value for name, value in sent[0]["headers"] if name == b"set-cookie"]
    assert status == 200
    assert cookie.decode() == f"{COOKIE}; HttpOnly; SameSite=Strict; Path=/"


@pytest.mark.parametrize(
    ("changed", "body", "method", "status"),
    [
        ({}, "token=x", "POST", 401),
        ({}, "", "POST", 401),
        ({"cookie": COOKIE}, "", "POST", 401),
        ({}, f"token={TOKEN}" + "t" * 5000, "POST", 413),
        ({}, f"token={TOKEN}", "PUT", 405),
        ({"origin": "http://evil.example"}, f"token={TOKEN}", "POST", 403),
        ({"host": "evil.example:8237"}, f"token={TOKEN}", "POST", 403),
    ],
)
def test_nothing_else_opens(changed: Headers, body: str, method: str, status: int) -> None:
    found, sent = entered(changed, body, method)
    assert found == status
    assert b"set-cookie" not in dict(sent[0]["headers"])


def test_who_has_no_token_is_told_where_it_is() -> None:
    status, sent, _ = asked("http", "GET", "/run/x", {"cookie": None, "accept": "text/html,*/*"})
    assert status == 401
    assert b'action="/open"' in sent[1]["body"]
    status, sent, _ = asked("http", "GET", "/api/v1/runs", {"cookie": None, "accept": "text/html"})
    assert json.loads(sent[1]["body"])["error"]["kind"] == "TokenError"
    assert entered({}, "", "GET")[0] == 200


def test_the_files_are_private_and_go_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    token = new_token()
    entrance = Entrance("http://127.0.0.1:1", token)
    folder = entrance.file.parent
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in sorted(folder.iterdir())] == [0o600, 0o600]
    assert (folder / "token").read_text() == token
    assert token in entrance.file.read_text()
    entrance.close()
    assert not folder.exists()


def test_tokens_are_long_and_never_the_same() -> None:
    assert len(new_token()) >= 43
    assert new_token() != new_token()


def test_the_token_is_in_no_representation() -> None:
    assert TOKEN not in repr(GUARD)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_hosts_need_insecure(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--insecure"):
        serve(Config(str(tmp_path / "none")), host=host, ready=lambda *_: None)


# A real server


def test_a_real_server_lets_in_who_has_the_token(served: Served) -> None:
    name, token = served.cookie
    with httpx.Client(base_url=served.address) as visitor:
        assert visitor.get("/api/v1/runs").status_code == 401
        assert visitor.get("/", headers={"host": "evil.example"}).status_code == 403
        answer = visitor.post("/open", data={"token": token}, headers={"origin": "null"})
        assert (answer.status_code, visitor.cookies[name]) == (200, token)
        assert visitor.get("/api/v1/runs").json()["runs"]
        assert visitor.get("/").status_code == 200
        assert visitor.get("/api/v1/runs", headers={"origin": "http://evil.example"}).status_code == 403


def test_the_token_is_in_no_command_line(served: Served) -> None:
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if readable(file)]
    assert any(b"dalsegno" in line for line in lines)
    assert not any(served.cookie[1].encode() in line for line in lines)


def readable(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return False
    return True
