"""The OpenAPI document of a server, written from its endpoints and the types of what they take and give."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

SIMPLE: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    float: {"type": "number"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}
ERRORS = {
    400: "cannot be read",
    401: "the token is missing or another one",
    403: "for another host, or from a page of another site",
    404: "no such path",
    408: "the body did not come in time",
    411: "the body has no Content-Length",
    413: "too large",
    422: "the ranker raised",
    429: "too many requests are waiting; come again after Retry-After seconds",
    503: "the ranker cannot go on",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was not answered."""

    error: Annotated[str, "one line that says what is wrong, and what to do"]
    type: Annotated[str, "which of rankkit's errors it is"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path of the server. What it takes and gives is a dataclass for JSON, or a media type of bytes."""

    method: str
    path: str
    function: Callable[..., Awaitable[Any]]
    gives: Any
    takes: Any = None
    errors: Sequence[int] = ()


def document(endpoints: Sequence[Endpoint], ranker: str, version: str, token: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these endpoints; `token` says whether every request must bear one."""
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        about = " ".join((each.function.__doc__ or "").split())
        operation: dict[str, Any] = {
            "operationId": each.function.__name__,
            "summary": about,
            "responses": {"200": {"description": "the answer", "content": _content(each.gives)}},
        }
        if each.takes is not None:
            operation["requestBody"] = {"required": True, "content": _content(each.takes)}
        for status in sorted({401, 403, *each.errors}):
            operation["responses"][str(status)] = {
                "description": ERRORS[status],
                "content": _content(Problem),
            }
        paths.setdefault(each.path, {})[each.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": f"rankkit: {ranker}", "version": version},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}] if token else [],
    }


def schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type: a dataclass, a list, a dict, a union, or one of `SIMPLE`."""
    if kind in SIMPLE:
        return dict(SIMPLE[kind])
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return {**schema(inner[0]), "description": inner[1]}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema(each) for each in inner]}
    if origin is list:
        return {"type": "array", "items": schema(inner[0])}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema(inner[1])}
    if origin is not None:  # Literal
        return {"enum": list(inner)}
    hints = get_type_hints(kind, include_extras=True)
    return {
        "type": "object",
        "description": " ".join((kind.__doc__ or "").split()),
        "properties": {name: schema(hint) for name, hint in hints.items()},
        "required": [
            each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING
        ],
    }


def _content(kind: Any) -> dict[str, Any]:
    if isinstance(kind, str):
        return {kind: {}}
    return {"application/json": {"schema": schema(kind)}}
