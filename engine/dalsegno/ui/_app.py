"""The application: the API, the pages, and the guard around both; and the server that it runs in."""

from __future__ import annotations

import ipaddress
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from dalsegno.config import Config
from dalsegno.errors import ConfigError
from dalsegno.ui._access import Access, Guard, guard_for
from dalsegno.ui._api import PREFIX, add_api
from dalsegno.ui._entrance import Entrance, new_token
from dalsegno.ui._store import Reader
from dalsegno.ui.pages import register

PORT = 8237
"""The port unless another is asked for, or it is taken."""

LOOPBACK = ("127.0.0.1", "localhost")
"""What a server on this machine is called."""


def build(reader: Reader, guard: Guard, *, pages: bool = True) -> Access:
    """The guarded application for an open store; the pages can be had once per process."""
    app = FastAPI(
        title="dalsegno",
        version="1",
        description="Recorded runs: what they did, and doing it again. Every request carries the token that lies beside the file "
        "that `dalsegno ui` names: `Authorization: Bearer TOKEN`.",
        docs_url=None,  # its scripts would come from elsewhere
        redoc_url=None,
        openapi_url=f"{PREFIX}/openapi.json",
    )
    add_api(app, reader)

    if pages:
        register(reader, read_only=reader.read_only)
        ui.run_with(app, title="dalsegno", tailwind=False, dark=None, show_welcome_message=False)
    return Access(app, guard)


def serve(
    place: Config,
    *,
    port: int | None = None,
    host: str = "127.0.0.1",
    read_only: bool = False,
    insecure: bool = False,
    ready: Callable[[str, Entrance], None],
) -> None:
    """Serve the pages of a store until the process is interrupted; ConfigError for a host or a port that cannot be.

    To be called by the main thread of a process that does nothing else.

    `ready` is called when the server answers, with its address and the file that opens it.
    """
    names = _names(host, insecure=insecure)
    reader = Reader(place, read_only=read_only)
    try:
        with _listening(host, port) as listening:
            bound = listening.getsockname()[1]
            shown = f"[{names[0]}]" if ":" in names[0] else names[0]
            address = f"http://{shown}:{bound}"
            token = new_token()
            app = build(reader, guard_for(bound, token, names))
            entrance = Entrance(address, token)
            try:
                signal.signal(signal.SIGTERM, _leave)
                signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
                _Server(app, lambda: ready(address, entrance)).run(sockets=[listening])
            finally:
                entrance.close()
    finally:
        reader.close()


def _leave(number: int, frame: object) -> None:
    """End in order, so that the private files go away; the default would end the process where it stands."""
    sys.exit(128 + number)


class _Server(uvicorn.Server):
    def __init__(self, app: Access, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()


def _names(host: str, *, insecure: bool) -> tuple[str, ...]:
    """What the server is called, the name to show first; ConfigError for one that others on the network can reach."""
    if host in LOOPBACK:
        return LOOPBACK
    if not insecure:
        raise ConfigError(
            f"--host {host} can be reached by others, and everything would cross the network in the clear; leave it out and use "
            "`ssh -L`, or add --insecure"
        )
    try:
        anywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        anywhere = False
    if not anywhere:
        return (host, *LOOPBACK)
    own = socket.gethostname()
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(own, None)}
    except OSError:  # the machine does not know its own name
        found = set()
    return tuple(dict.fromkeys((own, *LOOPBACK, socket.getfqdn(), *sorted(found))))


def _listening(host: str, port: int | None) -> socket.socket:
    """A socket at that port, or at any free one when none was asked for and the usual one is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for wanted in (port,) if port is not None else (PORT, 0):
        try:
            return socket.create_server((host, wanted), family=family)
        except OSError as error:
            failed = error
    where = f"{host}:{PORT if port is None else port}"
    raise ConfigError(f"{where} cannot be listened at: {failed.strerror or failed}; choose another --port")
