"""The bodies of requests, read within bounds; answers as HTTP: JSON, and errors as JSON.

It needs the extra ``serve``.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rankkit.remote.handshake import to_json
from rankkit.serving.access import Refused

PART = 2**24  # bytes of a body that have their time each


def announced(request: Request, limit: int) -> int:
    """The bytes that a request says its body has. Raises `Refused` where it does not, and for too many."""
    length = request.headers.get("content-length", "")
    if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
        raise Refused(411, "send the body with its Content-Length")
    if int(length) > limit:
        raise Refused(413, f"{length} bytes are more than the limit of {limit}; send less at a time")
    return int(length)


async def body_of(request: Request, length: int, silence: float) -> AsyncIterator[bytes]:
    """The body of a request as it comes. Each 16 MiB may take `silence` seconds, however soon others came.

    Raises `Refused` for one that does not come in time, `ClientDisconnect` where its sender is gone.
    """
    now = asyncio.get_running_loop().time
    end, size = now() + silence, 0
    more = True
    while more:
        try:
            message = await asyncio.wait_for(request.receive(), end - now())
        except asyncio.TimeoutError:
            raise Refused(408, f"the {length} bytes announced did not come in time") from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        if (size + len(part)) // PART > size // PART:
            end = now() + silence
        size += len(part)
        yield part
        more = message.get("more_body", False)


def json_answer(fields: Mapping[str, Any], status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(to_json(fields), status, media_type="application/json")


async def refused(request: Request, error: Exception) -> Response:
    """Say why a request is refused."""
    assert isinstance(error, Refused)
    body = to_json({"error": str(error), "type": "RankkitError"})
    return Response(body, error.status, error.headers, "application/json")


async def no_such_place(request: Request, error: Exception) -> Response:
    """Say what there is instead of the path or method that was asked for."""
    assert isinstance(error, HTTPException)
    path = request.url.path[:80]
    why = (
        f"{path} does not take {request.method[:80]}"
        if error.status_code == 405
        else f"there is no {path} here; GET / says who is served, /openapi.json what there is"
    )
    return await refused(request, Refused(error.status_code, why, error.headers))


async def gone(request: Request, error: Exception) -> Response:
    """Nobody will read this."""
    return Response(status_code=408)


async def broken(request: Request, error: Exception) -> Response:
    """Say that this server made a mistake; it is told on stderr."""
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    return await refused(request, Refused(500, "this server made a mistake, which it told on its stderr"))


HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    Refused: refused,
    HTTPException: no_such_place,
    ClientDisconnect: gone,
    Exception: broken,
}
