"""What stands before every request: who may ask, and how an answer ends whose question was not read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from rankkit.remote.handshake import to_json
from rankkit.serving.access import Access, Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LINGER = 2.0  # seconds for which the unread body of an answered request is read and thrown away


class AccessMiddleware:
    """An ASGI application before another one.

    It answers requests that `access` refuses. Where the body of a request is not read, the connection is
    closed after the answer, but not at once: closing on unread bytes would reset it before the answer is
    read.
    """

    def __init__(self, app: App, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":  # nobody asks anything
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        exchange = Exchange(receive, send, headers)
        try:
            self.access.check(headers)
        except Refused as error:
            await exchange.refuse(error)
        else:
            await self.app(scope, exchange.receive, exchange.send)


class Exchange:
    """One request and its answer; it knows whether the request was read to its end."""

    def __init__(self, receive: Receive, send: Send, headers: dict[str, str]) -> None:
        self._receive, self._send = receive, send
        self._unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers

    async def receive(self) -> Message:
        """The next part of the request."""
        message = await self._receive()
        self._unread = self._unread and bool(message.get("more_body", False))
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, and read the rest of the request before the last one."""
        if not self._unread:
            await self._send(message)
        elif message["type"] == "http.response.start":
            await self._send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
        elif message.get("more_body", False):
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._discard(), LINGER)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, error: Refused) -> None:
        """Answer with an error."""
        body = to_json({"error": str(error), "type": "RankkitError"})
        headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        headers += [(name.encode(), value.encode()) for name, value in error.headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    async def _discard(self) -> None:
        while self._unread:
            await self.receive()
