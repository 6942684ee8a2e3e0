"""uvicorn as this server wants it: silent connections end, and so does the longest silent one where there are
too many, so that nobody is locked out; what is no HTTP is answered in JSON.

It needs the extra ``serve``; `rankkit.serving.http` imports it when a server is made.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rankkit.remote.handshake import to_json
from rankkit.serving.middleware import App

MOST = 512  # connections that are open at once, where the system allows twice as many files
LAST = 5.0  # seconds within which the rest of a request must be there once the server is to end
BACKLOG = 128  # connections that wait to be accepted, which happens to all of them at once


def uvicorn_server(app: App, silence: float, most: int | None = None) -> uvicorn.Server:
    """A server of this application that ends connections on which nothing moves for `silence` seconds.

    `most`: connections that may be open at once, as many as is safe if None.
    """

    class Connection(TimedConnection):
        patience = silence
        most_open = most_connections() if most is None else most
        open_now: ClassVar[dict[TimedConnection, None]] = {}

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
            backlog=BACKLOG,
        )
    )


def most_connections() -> int:
    """How many connections may be open at once, far enough below the files that this process may open."""
    try:
        import resource
    except ImportError:  # where there is no such bound
        return MOST
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else max(16, min(MOST, (files - BACKLOG) // 2))


class TimedConnection(H11Protocol):
    """A connection that ends where within `patience` seconds the head of its next request is not there, or
    nothing of an answer is read.

    Where more than `most_open` are open, the one that has been silent for longest ends, of those whose
    request is not being answered.
    """

    patience: float
    most_open: int
    open_now: ClassVar[dict[TimedConnection, None]]  # the one that was silent for longest first
    _timer: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, and make room for it."""
        super().connection_made(transport)
        self._wait()
        self.open_now[self] = None
        if len(self.open_now) > self.most_open:
            silent = next((each for each in self.open_now if not each.is_answering()), self)
            del self.open_now[silent]
            silent.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        if self in self.open_now:
            del self.open_now[self]
            self.open_now[self] = None
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self.open_now.pop(self, None)
        for timer in (self._timer, self._reading):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def is_answering(self) -> bool:
        """Whether a whole request is here that is not answered yet."""
        cycle: Any = self.cycle  # None until there was a request
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def pause_writing(self) -> None:
        """Wait for the other side to read."""
        super().pause_writing()
        self._watch_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Go on; the other side has read."""
        if self._reading is not None:
            self._reading.cancel()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Answer what is here, and wait a little for what is on its way."""
        super().shutdown()
        self.loop.call_later(min(self.patience, LAST), self._end_unless_answering)

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

    def _end_unless_answering(self) -> None:
        if not self.is_answering():
            self.transport.abort()

    def _watch_reading(self, unread: int) -> None:
        """Hang up where as many bytes of an answer are unread after `patience` seconds as now."""

        def look() -> None:
            left = self.transport.get_write_buffer_size()
            if left < unread:
                self._watch_reading(left)
            else:
                self.transport.abort()

        self._reading = self.loop.call_later(self.patience, look)
