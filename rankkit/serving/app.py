"""The requests that a server answers, as an ASGI application.

An error is JSON with `error` and `type`: 400 for what cannot be read, 401 without the token, 403 for another
host or a page of another site, 408 for a body that does not come, 411 and 413 for a length that is not given
or too large, 422 where the ranker raised, 429 where too many wait, 503 where the ranker cannot go on.

It needs the extra ``serve``; `rankkit.serving.http` imports it when a server is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from rankkit.core.calling import abstention
from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError, RunStopped
from rankkit.remote import wire
from rankkit.remote.handshake import WorkerInfo, error_fields, handshake_fields
from rankkit.serving.access import Access, Refused
from rankkit.serving.batches import Batches
from rankkit.serving.middleware import AccessMiddleware
from rankkit.serving.openapi import Endpoint, document
from rankkit.serving.pipe import ServedRanker
from rankkit.serving.questions import Answer, Question, read
from rankkit.serving.replies import HANDLERS, announced, body_of, json_answer
from rankkit.serving.room import Holding, Room

TYPE = "application/x-rankkit"
DECODERS = 4  # requests whose bodies are turned into images at the same time


@dataclass(frozen=True, slots=True)
class Health:
    """That the server answers, and how busy it is."""

    status: Annotated[str, "ok"]
    waiting: Annotated[int, "requests under way"]
    busy: Annotated[float, "seconds that the ranker's call under way has taken so far; 0 where there is none"]


class Answers:
    """What is answered to requests about one ranker.

    `limit`: bytes of one request. `silence`: seconds without a byte after which a body is given up.
    `waiting`: requests that may be under way at once; together they hold at most four times `limit`.
    `timeout`: seconds that a call of the ranker may take; while one takes longer nobody waits for it.
    """

    def __init__(
        self,
        served: ServedRanker,
        batches: Batches,
        *,
        limit: int,
        silence: float,
        waiting: int,
        timeout: float | None = None,
    ) -> None:
        self.served, self.batches = served, batches
        self.limit, self.silence, self.timeout = limit, silence, timeout
        self._room = Room(waiting, 4 * limit)
        self._decoders = asyncio.Semaphore(DECODERS)

    def application(self, access: Access) -> AccessMiddleware:
        """The whole application: routes, errors and who may come in."""
        self._token = access.secret is not None
        app = Starlette(
            routes=[Route(each.path, each.function, methods=[each.method]) for each in self.endpoints()],
            exception_handlers=HANDLERS,
        )
        app.router.redirect_slashes = False
        return AccessMiddleware(app, access)

    def endpoints(self) -> list[Endpoint]:
        """What there is to ask for."""
        return [
            Endpoint("GET", "/", self.handshake, WorkerInfo),
            Endpoint("POST", "/rank", self.rank, TYPE, TYPE, (400, 408, 411, 413, 422, 429, 503)),
            Endpoint("POST", "/score", self.score, Answer, Question, (400, 408, 411, 413, 429, 503)),
            Endpoint("GET", "/healthz", self.healthz, Health, errors=(503,)),
            Endpoint("GET", "/openapi.json", self.openapi, dict[str, Any]),
        ]

    async def handshake(self, request: Request) -> Response:
        """Who is served: name, version, options and kind."""
        return json_answer(handshake_fields(self.served.handshake(self.limit)))

    async def healthz(self, request: Request) -> Response:
        """Whether the server answers, how many requests are under way, and how long the ranker is at one."""
        self._check_in_time()
        return json_answer(asdict(Health("ok", self._room.requests, round(self.batches.busy, 3))))

    async def openapi(self, request: Request) -> Response:
        """This document."""
        about = self.served.prepared.identity
        return json_answer(document(self.endpoints(), about.ranker, about.version, self._token))

    async def rank(self, request: Request) -> Response:
        """Rankings of groups, both as rankkit's own clients write them."""
        async with self._received(request) as (body, _):
            try:
                async with self._decoders:
                    groups = await asyncio.to_thread(wire.decode_groups, body)
            except RankkitError as error:
                raise Refused(400, str(error)) from None
            body.clear()  # its pixels are in the images now
            try:
                rankings = await self._ranked(request, groups)
                return Response(await asyncio.to_thread(wire.encode_rankings, rankings), media_type=TYPE)
            except RankkitError as error:
                return json_answer(error_fields(error, self.served.name), 422)

    async def score(self, request: Request) -> Response:
        """Scores and ranks of images in JSON; images of one prompt are one group."""
        prepared = self.served.prepared
        async with self._received(request) as (body, holding):
            async with self._decoders:
                asked = await asyncio.to_thread(read, body, prepared.kind, prepared.needs_prompt, self.limit)
            body.clear()
            holding.reach(asked.size)
            try:
                groups = asked.listed.groups
                rankings = await self._judged(request, groups) if groups else []
            except RunStopped as error:
                return json_answer(error_fields(error, self.served.name), 503)
        about = prepared.identity
        return json_answer(asdict(asked.answer(rankings, about.ranker, about.version)))

    @asynccontextmanager
    async def _received(self, request: Request) -> AsyncIterator[tuple[bytearray, Holding]]:
        """The body of a request, and what the request holds until it is answered.

        Raises `Refused` for a length that is not given or too large, a body that does not come, and where
        there is no room.
        """
        length = announced(request, self.limit)
        self._room.check(length)
        with self._room.holding() as holding:
            body = bytearray()
            async for part in body_of(request, length, self.silence):
                body += part
                holding.reach(len(body))
            with self._room.turn():
                yield body, holding

    async def _judged(self, request: Request, groups: Sequence[Group]) -> list[Ranking]:
        """Rankings of groups; where the ranker raises, the group that fails alone abstains.

        Raises `RunStopped` where the ranker cannot go on.
        """
        try:
            return await self._ranked(request, groups)
        except RunStopped:
            raise
        except RankkitError as error:
            if len(groups) == 1:
                return [abstention(groups[0], str(error), self.served.prepared.kind)]
        return [ranking for group in groups for ranking in await self._judged(request, [group])]

    async def _ranked(self, request: Request, groups: Sequence[Group]) -> list[Ranking]:
        """Rankings of groups when their turn has come.

        Raises `RankkitError` where the ranker raised, `ClientDisconnect` once nobody waits for them, and
        `Refused` where a call takes too long, this one or one before it.
        """
        rankings = asyncio.wrap_future(self.batches.ask(groups, alone=self._room.requests == 1))
        hung_up = asyncio.ensure_future(request.receive())
        try:
            either: set[asyncio.Future[Any]] = {rankings, hung_up}
            while not any(each.done() for each in either):
                self._check_in_time()
                look = None if self.timeout is None else min(1.0, self.timeout)
                await asyncio.wait(either, timeout=look, return_when=asyncio.FIRST_COMPLETED)
            if not rankings.done():
                raise ClientDisconnect
            return rankings.result()
        finally:
            rankings.cancel()
            hung_up.cancel()

    def _check_in_time(self) -> None:
        """Raise `Refused` while the ranker's call takes longer than it may."""
        busy = self.batches.busy
        if self.timeout is not None and busy > self.timeout:
            raise Refused(
                503,
                f"{self.served.name} has been at one call for {busy:.0f} s, and may take {self.timeout:g} s "
                "(--timeout); it is waited for no longer: if it hangs, start the server anew",
            )
