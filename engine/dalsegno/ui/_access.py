"""Who may talk to the page, decided before anything else sees a request; HTTP and websockets alike.

The server runs as the user, and every program and every web page on the machine can reach its port. So a request is refused unless

- its Host is one that the server was opened under, exactly: a name that an attacker points at 127.0.0.1 is another one;
- its Origin, where it has one, is that same host: browsers send it with websockets and with everything that changes something;
- the browser does not say that another site or another port caused it, but for a visitor who follows a link;
- it carries the token: in a cookie that scripts cannot read and that no other site's request takes along, or in an
  `Authorization: Bearer` header for programs.

The token comes into the browser by a file that only the user can read (`_entrance.py`): it posts the token to `/open`, the only
address that answers without one, which sets the cookie. So it is in no address, no argument and no log.

Every answer says that nothing from elsewhere is to be loaded, and that data is not to be cached. NiceGUI needs inline scripts and
`eval`, so the policy for scripts is weak, and what was recorded must be put on the pages as text.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dalsegno.ui._entrance import ENTERED, cookie_name, enter

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What the pages may load and do."""

HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}
"""What every answer says."""

KEPT = ("/_nicegui/", "/dalsegno-static/")
"""What a browser may keep: files of the packages, whose names change with their content."""

HTTP = 80
"""The port that browsers leave out."""

_LONGEST_FORM = 4096


@dataclass(frozen=True, slots=True)
class Guard:
    """What is let in: `hosts` as in "127.0.0.1:8237", and the token, which is shown to nobody."""

    hosts: Collection[str]
    token: str = field(repr=False)
    cookie: str


class Refusal(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status, self.kind = status, kind
        super().__init__(message)


class Access:
    """An ASGI application that lets through to `app` what the guard allows."""

    def __init__(self, app: App, guard: Guard) -> None:
        self.app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one websocket, or the beginning and the end of the server."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            return
        answer = send if scope["type"] == "websocket" else _with_headers(scope["path"], send)
        headers = _headers(scope)
        try:
            self._check_place(scope, headers)
            if scope["type"] == "http" and scope["path"] == "/open":
                await self._open(scope, headers, receive, answer)
                return
            self._check_origin(scope, headers)
            if not self._is_token(_token(headers, self._guard.cookie)):
                raise Refusal(
                    401,
                    "TokenError",
                    "there is no token with the request; open the file that `dalsegno ui` names, or take the token that lies beside it",
                )
        except Refusal as refusal:
            await _refuse(scope, headers, receive, answer, refusal)
            return
        await self._let_in(scope, receive, answer)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = False

        async def hear() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or message["type"] in ("http.disconnect", "websocket.disconnect")
            return message

        try:
            await self.app(scope, hear, send)
        except Exception:
            if not gone:  # that nobody waits for the answer any more is no error to tell of
                raise

    def _check_place(self, scope: Scope, headers: dict[str, list[str]]) -> None:
        hosts = headers.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._guard.hosts:
            known = " or ".join(self._guard.hosts)
            raise Refusal(403, "HostError", f"this server is {known}, and the request is for another one")

    def _check_origin(self, scope: Scope, headers: dict[str, list[str]]) -> None:
        if any(not _is_of(origin, headers["host"][0]) for origin in headers.get("origin", [])):
            raise Refusal(403, "OriginError", "the request comes from a page of another server")
        from_elsewhere = any(
            site in ("cross-site", "same-site") for site in headers.get("sec-fetch-site", [])
        )
        if from_elsewhere and not _is_visit(scope, headers):
            raise Refusal(403, "OriginError", "the request was caused by a page of another server")

    def _is_token(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self._guard.token.encode())

    async def _open(self, scope: Scope, headers: dict[str, list[str]], receive: Receive, send: Send) -> None:
        """The entrance: the token is posted from a private file, whose origin is none, or typed here."""
        if scope["method"] in ("GET", "HEAD"):
            await _answer(send, 200, enter(), "text/html; charset=utf-8")
            return
        if scope["method"] != "POST":
            raise Refusal(405, "MethodError", "the token is posted")
        if any(
            origin != "null" and not _is_of(origin, headers["host"][0])
            for origin in headers.get("origin", [])
        ):
            raise Refusal(403, "OriginError", "the token is posted from its file")
        given = parse_qs((await _body(receive)).decode("utf-8", "replace")).get("token", [""])[0].strip()
        if not self._is_token(given):
            raise Refusal(
                401, "TokenError", "that is not the token of this server; it has a new one at every start"
            )
        cookie = f"{self._guard.cookie}={self._guard.token}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(send, 200, ENTERED, "text/html; charset=utf-8", (b"set-cookie", cookie.encode()))


def guard_for(port: int, token: str, hosts: Collection[str]) -> Guard:
    """The guard of a server at that port, which is called by these names."""
    names = {name.lower() for name in hosts}
    bare = {f"[{name}]" if ":" in name else name for name in names}
    found = {f"{name}:{port}" for name in bare} | (bare if port == HTTP else set())
    return Guard(sorted(found), token, cookie_name(port))


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _is_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _is_visit(scope: Scope, headers: dict[str, list[str]]) -> bool:
    """Whether somebody follows a link to a page, in a window of its own."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and headers.get("sec-fetch-mode") == ["navigate"]
        and headers.get("sec-fetch-dest") == ["document"]
    )


def _token(headers: dict[str, list[str]], cookie: str) -> str | None:
    for given in headers.get("authorization", []):
        scheme, _, value = given.partition(" ")
        if scheme.lower() == "bearer":
            return value.strip()
    # Not by http.cookies: it gives up at a cookie of another server of this machine that it cannot read.
    pairs = (pair.partition("=") for given in headers.get("cookie", []) for pair in given.split(";"))
    return next((value.strip() for name, _, value in pairs if name.strip() == cookie), None)


def _with_headers(path: str, send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            wanted = dict(HEADERS)
            if not path.startswith(KEPT) or message["status"] >= 400:
                wanted[b"cache-control"] = b"no-store"
            kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in wanted]
            message = {**message, "headers": [*kept, *wanted.items()]}
        await send(message)

    return answer


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body, more = body + message.get("body", b""), message.get("more_body", False)
        if len(body) > _LONGEST_FORM:
            raise Refusal(413, "FormError", "that is too long to be a token")
    return body


async def _refuse(
    scope: Scope, headers: dict[str, list[str]], receive: Receive, send: Send, refusal: Refusal
) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4401 if refusal.status == 401 else 4403})
        return
    wants_page = any("text/html" in each for each in headers.get("accept", []))
    if refusal.status == 401 and wants_page and not scope["path"].startswith("/api/"):
        await _answer(send, 401, enter(str(refusal)), "text/html; charset=utf-8")
        return
    document = {"error": {"kind": refusal.kind, "message": str(refusal)}}
    await _answer(send, refusal.status, json.dumps(document), "application/json")


async def _answer(send: Send, status: int, text: str, kind: str, *more: tuple[bytes, bytes]) -> None:
    body = text.encode()
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
