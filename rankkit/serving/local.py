"""What every server of ours needs, and a server for a browser on this machine alone."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeVar

from rankkit.errors import UsageError
from rankkit.remote.http_client import LOOPBACK
from rankkit.serving.access import Access
from rankkit.serving.middleware import AccessMiddleware, App

HOST = "127.0.0.1"
S = TypeVar("S", bound="WebServer")
SILENCE = 60.0  # seconds after which a connection on which nothing moves is closed


class WebServer:
    """An application at a socket that listens: what servers of any address are."""

    def __init__(self, listener: socket.socket, server: Any) -> None:
        self._socket, self._server = listener, server  # the latter is of `uvicorn_server`

    def run(self) -> None:
        """Answer until `stop`, or in the main thread until a signal, which is raised anew at the end."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Take no more requests, and let `run` end once those under way are answered."""
        self._server.should_exit = True

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


class LocalServer(WebServer):
    """An application on loopback that answers under this machine's own names only, and no other site's page.

    It listens once it exists and answers in `run`.
    """

    def __init__(self, app: App, command: str, port: int = 0) -> None:
        """Bind; port 0 is any that is free.

        `command` is the command of rankkit that serves, and the extra that brings what it needs. Raises
        `UsageError` where the port cannot be had or a package is missing.
        """
        try:
            from rankkit.serving.connection import uvicorn_server
        except ImportError as error:
            raise web_missing(error, command) from None
        listener = listen(socket.AF_INET, (HOST, port), HOST, port)
        super().__init__(listener, uvicorn_server(AccessMiddleware(app, Access(None, LOOPBACK)), SILENCE))
        self.url = f"http://{HOST}:{listener.getsockname()[1]}"


@contextlib.contextmanager
def until_stopped() -> Iterator[None]:
    """A block that Ctrl-C and SIGTERM end without an error; for the main thread."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def listen(family: socket.AddressFamily, address: tuple[Any, ...], host: str, port: int) -> socket.socket:
    """A socket that listens, without asking the network for this machine's name.

    Raises `UsageError` for an address that cannot be had.
    """
    # asyncio sends small answers at once only where the protocol is said
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"{host} port {port} cannot be had: {error.strerror}; give another --port or --host"
        ) from None
    return listener


def web_missing(error: ImportError, command: str) -> Exception:
    """What to raise for a failed import of the web packages: the error itself where it is about others."""
    if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
        return error
    return UsageError(f"rankkit {command} needs uvicorn and starlette: pip install 'rankkit-t2i[{command}]'")
