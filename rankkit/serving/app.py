"""The requests that a server answers, as an ASGI application.

An error is JSON with `error` and `type`: 400 for what cannot be read, 401 without the token, 403 for another
host or a page of another site, 408 for a body that does not come, 411 and 413 for a length that is not given
or too large, 422 where the ranker raised, 429 where too many wait.

It needs the extra ``serve``; `rankkit.serving.http` imports it when a server is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError
from rankkit.remote import wire
from rankkit.remote.handshake import error_fields, to_json
from rankkit.serving.access import Access, Refused
from rankkit.serving.batches import Batches
from rankkit.serving.door import Door
from rankkit.serving.pipe import ServedRanker

TYPE = "application/x-rankkit"
DECODERS = 4  # requests whose bodies are turned into images at the same time


class Answers:
    """What is answered to requests about one ranker.

    `limit`: bytes of one request. `silence`: seconds without a byte after which a body is given up.
    `waiting`: requests that may be under way at once; together they hold at most four bodies of full length.
    """

    def __init__(
        self, served: ServedRanker, batches: Batches, *, limit: int, silence: float, waiting: int
    ) -> None:
        self.served, self.batches = served, batches
        self.limit, self.silence, self.waiting = limit, silence, waiting
        self._requests, self._bytes = 0, 0
        self._decoders = asyncio.Semaphore(DECODERS)

    def application(self, access: Access) -> Door:
        """The whole application: routes, errors and who may come in."""
        routes = [
            Route("/", self.handshake, methods=["GET"]),
            Route("/rank", self.rank, methods=["POST"]),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                Refused: refused,
                HTTPException: no_such_place,
                ClientDisconnect: gone,
                Exception: broken,
            },
        )
        app.router.redirect_slashes = False
        return Door(app, access)

    async def handshake(self, request: Request) -> Response:
        """Who is served: name, version, options and kind."""
        return json_answer(to_json(asdict(self.served.handshake(self.limit))))

    async def rank(self, request: Request) -> Response:
        """Rankings of groups, both as rankkit's own clients write them."""
        length = self._announced(request)
        with self._admitted(length):
            body = await self._body(request, length)
            try:
                async with self._decoders:
                    groups = await asyncio.to_thread(wire.decode_groups, body)
            except RankkitError as error:
                raise Refused(400, str(error)) from None
            try:
                rankings = await self._ranked(request, groups)
                return Response(await asyncio.to_thread(wire.encode_rankings, rankings), media_type=TYPE)
            except RankkitError as error:
                return json_answer(to_json(error_fields(error, self.served.name)), 422)

    async def _ranked(self, request: Request, groups: Sequence[Group]) -> list[Ranking]:
        """Rankings of groups when their turn has come.

        Raises `RankkitError` where the ranker raised, and `ClientDisconnect` once nobody waits for them.
        """
        rankings = asyncio.wrap_future(self.batches.ask(groups, alone=self._requests == 1))
        hung_up = asyncio.ensure_future(request.receive())
        try:
            either: set[asyncio.Future[Any]] = {rankings, hung_up}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not rankings.done():
                raise ClientDisconnect
            return rankings.result()
        finally:
            rankings.cancel()
            hung_up.cancel()

    def _announced(self, request: Request) -> int:
        """The bytes that a request says its body has."""
        length = request.headers.get("content-length", "")
        if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
            raise Refused(411, "send the body with its Content-Length")
        if int(length) > self.limit:
            raise Refused(
                413,
                f"{length} bytes are more than the limit of {self.limit}; send fewer images at a time",
            )
        return int(length)

    @contextmanager
    def _admitted(self, length: int) -> Iterator[None]:
        """Count a request, and its bytes, as under way; refuse it where that would be too many."""
        if self._requests >= self.waiting or self._bytes + length > 4 * self.limit:
            raise Refused(
                429, f"{self._requests} requests are waiting already; try again", {"retry-after": "1"}
            )
        self._requests, self._bytes = self._requests + 1, self._bytes + length
        try:
            yield
        finally:
            self._requests, self._bytes = self._requests - 1, self._bytes - length

    async def _body(self, request: Request, length: int) -> bytearray:
        """The body of a request. It may take `silence` seconds for each 16 MiB begun, and between bytes."""
        now = asyncio.get_running_loop().time
        end, body = now() + self.silence * (1 + length // 2**24), bytearray()
        more = True
        while more:
            try:
                message = await asyncio.wait_for(request.receive(), min(self.silence, end - now()))
            except asyncio.TimeoutError:
                raise Refused(408, f"the {length} bytes announced did not come in time") from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


def json_answer(body: bytes, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(body, status, media_type="application/json")


async def refused(request: Request, error: Exception) -> Response:
    """Say why a request is refused."""
    assert isinstance(error, Refused)
    body = to_json({"error": str(error), "type": "RankkitError"})
    return Response(body, error.status, error.headers, "application/json")


async def no_such_place(request: Request, error: Exception) -> Response:
    """Say what there is instead of the path or method that was asked for."""
    assert isinstance(error, HTTPException)
    why = (
        f"{request.url.path} does not take {request.method}"
        if error.status_code == 405
        else f"there is no {request.url.path} here; GET / says who is served, POST /rank ranks"
    )
    return await refused(request, Refused(error.status_code, why, error.headers))


async def gone(request: Request, error: Exception) -> Response:
    """Nobody will read this."""
    return Response(status_code=408)


async def broken(request: Request, error: Exception) -> Response:
    """Say that this server made a mistake; it is told on stderr."""
    return await refused(request, Refused(500, "this server made a mistake, which it told on its stderr"))
