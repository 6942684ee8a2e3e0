"""One ranker behind HTTP, on the standard library's server.

What `rankkit serve` runs, the other end of `rankkit.remote.rankers.Http`.

``GET /`` is the handshake, as JSON. ``POST /rank`` takes groups and gives rankings, both as `wire` writes
them; an error is JSON with `error` and `type`: 400 for bytes that are no groups, 401 without the token, 411
and 413 for a length that is not given or too large, 422 where the ranker raised.
"""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from rankkit.errors import RankkitError, UsageError
from rankkit.registry.load import Prepared, prepare
from rankkit.remote import wire
from rankkit.remote.handshake import bearer, error_fields, to_json
from rankkit.serving.pipe import ServedRanker

LIMIT = 512 * 2**20  # bytes of one request; what `rankkit score` sends at once stays below it
SILENCE = 60.0  # seconds after which a connection on which nothing moves is closed
TYPE = "application/x-rankkit"


def serve(
    spec: str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    limit: int = LIMIT,
    say: Callable[[str], None] = print,
) -> None:
    """Build the ranker that a spec names here, say its address, and answer until Ctrl-C.

    The arguments are those of `Server`.
    """
    with (
        Server(prepare(spec, local_only=True), host, port, token=token, limit=limit) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        say(f"{spec} is served at {server.url}; Ctrl-C ends it")
        server.serve_forever(poll_interval=0.1)
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


class Server(ThreadingHTTPServer):
    """A ranker at an address.

    It listens once it exists and answers in `serve_forever`; rankings are made one at a time.
    """

    daemon_threads = True

    def __init__(
        self,
        prepared: Prepared,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | None = None,
        limit: int = LIMIT,
        silence: float = SILENCE,
    ) -> None:
        """Bind (port 0: any that is free), and build the ranker.

        `token`: what every request must bear; needed where others than this machine can reach `host`.
        `limit`: bytes of one request. `silence`: seconds after which a silent connection is closed; a whole
        request may take that long for each 16 MiB begun. Raises `UsageError` for an address that needs a
        token or cannot be had, and whatever building raises.
        """
        self.address_family, address = _address(host, port, token)
        self.served, self.limit, self.silence = ServedRanker(prepared), limit, silence
        self.secret = None if token is None else bearer(token).encode()
        self.lock = threading.Lock()
        try:
            super().__init__(address, Handler)
        except OSError as error:
            raise UsageError(
                f"{host} port {port} cannot be had: {error.strerror}; give another --port or --host"
            ) from None
        try:
            self.served.build()
        except BaseException:
            self.server_close()
            raise

    @property
    def url(self) -> str:
        """Where it is to be found."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the network for this machine's name, as `HTTPServer` would."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is a line, not a traceback."""
        error = sys.exc_info()[1]
        print(f"{client_address[0]}: {type(error).__name__}: {error}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version, server_version, sys_version = "HTTP/1.1", "rankkit", ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """No read or write on the connection may take longer than `silence`."""
        super().setup()
        self.connection.settimeout(self.server.silence)

    def do_GET(self) -> None:
        """The handshake, as JSON."""
        if not self._known():
            self._refuse(401, "this server wants its token: Authorization: Bearer TOKEN")
        elif self.path != "/":
            self._refuse(404, f"there is no {self.path} here; GET / says who is served, POST /rank ranks")
        else:
            self._send(
                200, to_json(asdict(self.server.served.handshake(self.server.limit))), "application/json"
            )

    def do_POST(self) -> None:
        """Groups in, rankings out."""
        length = self.headers.get("Content-Length", "")
        if not self._known():
            self._refuse(401, "this server wants its token: Authorization: Bearer TOKEN")
        elif self.path != "/rank":
            self._refuse(404, f"there is no {self.path} here; POST groups to /rank")
        elif "Transfer-Encoding" in self.headers or not (
            length.isascii() and length.isdigit() and len(length) < 19
        ):
            self._refuse(411, "send the groups with their Content-Length")
        elif int(length) > self.server.limit:
            self._refuse(
                413,
                f"{length} bytes are more than the limit of {self.server.limit}; send fewer images at a time",
            )
        else:
            self._rank(int(length))

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _rank(self, length: int) -> None:
        try:
            groups = wire.decode_groups(self._body(length))
        except TimeoutError:
            return self._refuse(408, f"the {length} bytes announced did not come in time")
        except RankkitError as error:
            return self._refuse(400, str(error))
        try:
            with self.server.lock:
                reply = self.server.served.rank(groups)
        except (Exception, SystemExit) as error:
            return self._send(422, to_json(error_fields(error, self.server.served.name)), "application/json")
        self._send(200, reply, TYPE)

    def _body(self, length: int) -> bytes:
        """That many bytes, or fewer where the client stops sending.

        Raises TimeoutError when they do not come in time.
        """
        end = time.monotonic() + self.server.silence * (1 + length // 2**24)
        pieces: list[bytes] = []
        while length > 0 and (piece := self.rfile.read1(min(length, 2**20))):
            pieces.append(piece)
            length -= len(piece)
            if time.monotonic() > end:
                raise TimeoutError
        return b"".join(pieces)

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        return self.server.secret is None or hmac.compare_digest(given, self.server.secret)

    def _refuse(self, status: int, why: str) -> None:
        """Answer with an error and end the connection.

        Its next bytes may be a body that nobody will read.
        """
        self.close_connection = True
        self._send(status, to_json({"error": why, "type": "RankkitError"}), "application/json")
        with contextlib.suppress(
            OSError
        ):  # closing on unread bytes would reset the connection before the answer is read
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            end = time.monotonic() + 2
            while time.monotonic() < end and self.rfile.read1(2**16):
                pass

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _address(host: str, port: int, token: str | None) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """The address to bind. Without a token it must be one that only this machine can reach."""
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"{host} port {port} is no address of this machine: {error}") from None
    family, _, _, _, address = found[0]
    if token is None and not ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback:
        raise UsageError(
            f"{host} can be reached from other machines; give --token-file FILE or --token-env NAME, or "
            f"--host 127.0.0.1"
        )
    return family, address
