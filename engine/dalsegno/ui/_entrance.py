"""How the token comes into the browser: a private file posts it, and the answer goes on to the page.

A cookie that is bound to the site is not sent with the request that follows a redirect from a file, and so the answer is a small
page of the server itself, which goes on to the list of runs.
"""

from __future__ import annotations

import os
import tempfile
from html import escape
from pathlib import Path
from secrets import token_urlsafe

_STYLE = (
    "<style>body{font:16px system-ui;margin:15vh auto;max-width:34em;padding:0 1em}input{width:100%}</style>"
)

ENTERED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<title>dalsegno</title><a href="/">Runs</a></html>"""
"""What is shown to somebody who has brought it."""


def enter(problem: str = "") -> str:
    """What is shown to somebody without a token; the problem is a sentence of ours."""
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>dalsegno</title>{_STYLE}
<h1>dalsegno</h1><p role="alert">{escape(problem)}</p><form method="post" action="/open">
<p><label>Token <input name="token" type="password" autocomplete="off" autofocus></label></p>
<p><button>Open</button></p></form></html>"""


def cookie_name(port: int) -> str:
    """The name of the cookie: cookies do not tell ports apart, and several servers may run."""
    return f"dalsegno-{port}"


def new_token() -> str:
    """A token that nobody can guess; there is a new one at every start."""
    return token_urlsafe(32)


class Entrance:
    """The private folder with the file to open and the token for programs; gone after `close`."""

    def __init__(self, address: str, token: str) -> None:
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        base = runtime if runtime and os.access(runtime, os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="dalsegno-ui-", dir=base)
        folder = Path(self._folder.name)  # made with mode 0700
        self.file = folder / "open.html"
        _write(folder / "token", token)
        _write(
            self.file,
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>dalsegno</title>'
            f'<form method="post" action="{address}/open"><input type="hidden" name="token" value="{token}">'
            f"<button>Open dalsegno</button></form><script>document.forms[0].submit()</script></html>",
        )

    def close(self) -> None:
        """Remove the folder."""
        self._folder.cleanup()


def _write(file: Path, text: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
