"""The page and what it asks for, as an ASGI application under a path that nobody can guess.

An error is JSON with `error`: 400 for an answer to nothing that was shown, 404 without the token, 408 for a
body that does not come, 410 for an image of a question that is over, 411 and 413 for a length that is not
given or too large, 507 where an answer could not be saved.

It needs the extra ``label``; `rankkit.choose.label.serve` imports it when a page is served.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from rankkit.choose.label.questions import Question
from rankkit.choose.label.session import Session
from rankkit.choose.label.shown import as_png
from rankkit.errors import RankkitError, UsageError
from rankkit.serving.access import Refused
from rankkit.serving.replies import HANDLERS, announced, body_of

LONGEST = 10_000  # bytes of an answer
ASSETS = {
    "": ("page.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "page.css": ("page.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
PATIENCE = 30.0  # seconds within which the body of an answer must be there
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}


class Page:
    """What is answered to the browser of one person; nothing it gets names an image or says where it lies."""

    def __init__(self, session: Session, token: str, say: Callable[[str], object]) -> None:
        self.session, self.say = session, say
        self._token = token
        self.once = secrets.token_urlsafe(24)  # what opens the page a single time
        self._turn = asyncio.Lock()  # one request at a time looks at the session
        self._images: tuple[str, list[bytes]] = ("", [])  # of the question that waits

    def application(self) -> Starlette:
        """The whole application."""
        own = {RankkitError: _refused, HTTPException: _no_such_place, Refused: _not_read}
        handlers: Mapping[Any, Any] = {**HANDLERS, **own}
        routes = [
            Route("/{once}", self.enter),
            Route("/{token}/state", self._guarded(self.state)),
            Route("/{token}/image/{question}/{place}", self._guarded(self.image)),
            Route("/{token}/answer", self._guarded(self.answer), methods=["POST"]),
            Route("/{token}/undo", self._guarded(self.undo), methods=["POST"]),
            Route("/{token}/{name}", self._guarded(self.asset)),
            Route("/{token}/", self._guarded(self.asset)),
        ]
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        return app

    async def enter(self, request: Request) -> Response:
        """Lead to the page the first time that `once` is asked for; after that it is worth nothing.

        A browser is started with it, because everybody on this machine can read command lines.
        """
        if not self.once or not hmac.compare_digest(request.path_params["once"].encode(), self.once.encode()):
            raise HTTPException(404)
        self.once = ""
        return RedirectResponse(f"/{self._token}/", 303, headers=HEADERS)

    async def asset(self, request: Request) -> Response:
        """The page itself, its script and its style."""
        name = request.path_params.get("name", "")
        if name not in ASSETS:
            raise HTTPException(404)
        file, kind = ASSETS[name]
        return Response((files("rankkit.choose.label") / "assets" / file).read_bytes(), media_type=kind)

    async def state(self, request: Request) -> Response:
        """The question that waits, and how far this person is."""
        async with self._turn:
            return await self._state()

    async def image(self, request: Request) -> Response:
        """One image of the question that waits, as a PNG of its pixels alone."""
        question, images = self._images
        shown = {str(place): image for place, image in enumerate(images)}
        image = shown.get(request.path_params["place"])
        if request.path_params["question"] != question or image is None:
            return _error(410, "this image belongs to another question than the one that waits")
        return Response(image, media_type="image/png")

    async def answer(self, request: Request) -> Response:
        """Save an answer; then as `state`. `late` says that it was to another question, and was not saved."""
        said = await _body(request)
        asked = said.get("question")
        async with self._turn:
            saved = await asyncio.to_thread(
                self.session.answer,
                asked if isinstance(asked, str) else "",
                said.get("choice", ""),
                said.get("seconds"),
            )
            return await self._state(late=not saved)

    async def undo(self, request: Request) -> Response:
        """Take back the last answer; then as `state`. `undone` says whether there was one."""
        await _body(request)
        async with self._turn:
            undone = await asyncio.to_thread(self.session.undo)
            return await self._state(undone=undone)

    async def _state(self, **more: bool) -> Response:
        waits = await asyncio.to_thread(self.prepared)
        progress = await asyncio.to_thread(self.session.progress)
        question = None
        if waits is not None:
            images = [f"image/{waits.id}/{place}" for place in range(len(waits.places))]
            prompt = self.session.candidates[waits.prompt].prompt
            question = {"id": waits.id, "prompt": prompt, "images": images}
        about = {"question": question, "who": self.session.who, "lost": self.session.lost}
        return JSONResponse({**about, **asdict(progress), **more})

    def prepared(self) -> Question | None:
        """The question that waits, with its images decoded; what cannot be shown is asked about no more."""
        while (waits := self.session.question) is not None and waits.id != self._images[0]:
            about = self.session.candidates[waits.prompt]
            decoded = [(place, as_png(about.items[place])) for place in waits.places]
            if unread := [(place, found) for place, found in decoded if isinstance(found, str)]:
                place, why = unread[0]
                self.say(f"{about.names[place]} {why}: it is not shown any more")
                self.session.lose(waits.prompt, place)
            else:
                self._images = (waits.id, [found for _, found in decoded if isinstance(found, bytes)])
        return waits

    def _guarded(self, function: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """Answer only to who knows the token, and say what a browser may do with the answer."""

        async def guarded(request: Request) -> Response:
            if not hmac.compare_digest(request.path_params["token"].encode(), self._token.encode()):
                raise HTTPException(404)
            answer: Response = await function(request)
            answer.headers.update(HEADERS)
            return answer

        return guarded


async def _body(request: Request) -> dict[str, Any]:
    """The object that a request of our own page sends. Raises `UsageError` for anything else."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise UsageError("send JSON, with its content-type")
    body = b"".join([part async for part in body_of(request, announced(request, LONGEST), PATIENCE)])
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UsageError("send an object in JSON")
    return found


def _error(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status, dict(HEADERS))


async def _refused(request: Request, error: Exception) -> Response:
    return _error(400 if isinstance(error, UsageError) else 507, str(error))


async def _not_read(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _error(error.status, str(error))


async def _no_such_place(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    why = "there is nothing here; open the address that rankkit label has said last"
    return _error(error.status_code, why if error.status_code == 404 else error.detail)
