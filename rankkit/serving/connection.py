"""uvicorn as this server wants it: silent connections end, what is no HTTP is answered in JSON.

It needs the extra ``serve``; `rankkit.serving.http` imports it when a server is made.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rankkit.remote.handshake import to_json
from rankkit.serving.middleware import App


def uvicorn_server(app: App, silence: float) -> uvicorn.Server:
    """A server of this application that ends connections on which no request comes for `silence` seconds."""

    class Connection(TimedConnection):
        patience = silence

    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=math.ceil(silence),
        )
    )


class TimedConnection(H11Protocol):
    """A connection that ends where the head of its next request is not there within `patience` seconds."""

    patience: float
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer to what is no HTTP, as every other error is answered."""
        body = to_json({"error": f"this is no request: {msg}", "type": "RankkitError"})
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        )
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.patience, self._expire)

    def _expire(self) -> None:
        busy: Any = self.cycle  # None until there was a request
        if busy is None or busy.response_complete:
            self.transport.abort()
