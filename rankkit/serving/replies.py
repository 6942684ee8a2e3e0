"""Answers as HTTP: JSON, and errors as JSON.

It needs the extra ``serve``.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rankkit.remote.handshake import to_json
from rankkit.serving.access import Refused


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
    why = (
        f"{request.url.path} does not take {request.method}"
        if error.status_code == 405
        else f"there is no {request.url.path} here; GET / says who is served, /openapi.json what there is"
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
