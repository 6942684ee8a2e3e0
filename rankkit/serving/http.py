"""One ranker behind HTTP, on uvicorn and starlette: what `rankkit serve` runs.

It is the other end of `rankkit.remote.rankers.Http`. ``GET /`` is the handshake, as JSON. ``POST /rank``
takes groups and gives rankings, both as `wire` writes them. `rankkit.serving.app` says what else is answered,
and which errors there are.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from rankkit.errors import UsageError
from rankkit.registry.load import Prepared, prepare
from rankkit.remote.handshake import bearer
from rankkit.remote.http_client import LOOPBACK
from rankkit.serving.access import Access
from rankkit.serving.batches import Batches
from rankkit.serving.local import WebServer, listen, until_stopped, web_missing
from rankkit.serving.middleware import App
from rankkit.serving.pipe import ServedRanker

LIMIT = 512 * 2**20  # bytes of one request; what `rankkit score` sends at once stays below it
SILENCE = 60.0  # seconds after which a connection on which nothing moves is closed
WAITING = 64  # requests under way at once; further ones are told to come again


def serve(
    spec: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    limit: int = LIMIT,
    timeout: float | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Build the ranker that a spec names here, say its address, and answer until Ctrl-C or SIGTERM.

    What is under way then is answered first. The arguments are those of `Server`.
    """
    with (
        until_stopped(),
        Server(
            prepare(spec, local_only=True), host, port, token=token, limit=limit, timeout=timeout
        ) as server,
    ):
        say(f"{spec} is served at {server.url}; Ctrl-C ends it")
        server.run()
    say("stopped")


def token_from(file: Path | None, variable: str | None) -> str | None:
    """The token in a file, or in an environment variable; None where neither is named.

    Raises `UsageError` where it is not there.
    """
    if file is not None:
        try:
            return file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"the token file {file} cannot be read: {error}") from None
    if variable is not None and not os.environ.get(variable):
        raise UsageError(f"the environment variable {variable}, which should hold the token, is not set")
    return os.environ[variable] if variable else None


def application(
    spec: str,
    *,
    token: str | None = None,
    limit: int = LIMIT,
    silence: float = SILENCE,
    waiting: int = WAITING,
    timeout: float | None = None,
) -> App:
    """The ranker that a spec names here, built, as an ASGI application for a server of another kind.

    The arguments are those of `Server`. Without a token it answers only to the names of loopback, whatever
    address that server has. Raises `UsageError` where a package is missing, and whatever building raises.
    """
    _, answers = _web()
    served, batches = _built(prepare(spec, local_only=True))
    access = Access(None, LOOPBACK) if token is None else Access(bearer(token).encode(), None)
    bounds = {"limit": limit, "silence": silence, "waiting": waiting, "timeout": timeout}
    found: App = answers(served, batches, **bounds).application(access)
    return found


class Server(WebServer):
    """A ranker at an address.

    It listens once it exists and answers in `run`; rankings are made one call at a time.
    """

    def __init__(
        self,
        prepared: Prepared,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | None = None,
        limit: int = LIMIT,
        silence: float = SILENCE,
        waiting: int = WAITING,
        timeout: float | None = None,
    ) -> None:
        """Bind (port 0: any that is free), and build the ranker.

        `token`: what every request must bear; needed where others than this machine can reach `host`.
        `limit`: bytes of one request. `silence`: seconds after which a silent connection is closed; a whole
        request may take that long for each 16 MiB begun. `waiting`: requests under way at once. `timeout`:
        seconds that a call of the ranker may take; while one takes longer, who waits and who asks is told so
        (503). Raises `UsageError` for an address that needs a token or cannot be had and where a package is
        missing, and whatever building raises.
        """
        uvicorn_server, answers = _web()
        family, address = _address(host, port, token)
        secret = None if token is None else bearer(token).encode()
        listener = listen(family, address, host, port)
        try:
            served, self._batches = _built(prepared)
        except BaseException:
            listener.close()
            raise
        self.limit = limit
        where = str(address[0])
        access = Access(secret, LOOPBACK | {where} if _is_loopback(where) else None)
        bounds = {"limit": limit, "silence": silence, "waiting": waiting, "timeout": timeout}
        app = answers(served, self._batches, **bounds)
        super().__init__(listener, uvicorn_server(app.application(access), silence))
        self._address = listener.getsockname()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._address[1])

    @property
    def url(self) -> str:
        """Where it is to be found."""
        host = str(self._address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._batches.close()
        super().__exit__(kind, error, trace)


def _web() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Uvicorn and the application, which are imported only where a server is made."""
    try:
        from rankkit.serving.app import Answers
        from rankkit.serving.connection import uvicorn_server
    except ImportError as error:
        raise web_missing(error, "serve") from None
    return uvicorn_server, Answers


def _built(prepared: Prepared) -> tuple[ServedRanker, Batches]:
    """A ranker to be served, built, and what gathers its calls. Raises whatever building it raises."""
    served = ServedRanker(prepared)
    served.build()
    return served, Batches(served.rankings, together=prepared.kind == "pointwise")


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.split("%")[0]).is_loopback


def _address(host: str, port: int, token: str | None) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """The address to bind. Without a token it must be one that only this machine can reach."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"{host} port {port} is no address of this machine: {error}") from None
    family, _, _, _, address = found[0]
    if token is None and not _is_loopback(str(address[0])):
        raise UsageError(
            f"{host} can be reached from other machines; give --token-file FILE or --token-env NAME, or "
            f"--host 127.0.0.1"
        )
    return family, address
