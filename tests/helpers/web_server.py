"""`rankkit serve` in a thread of the test, at a free port of loopback."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rankkit.registry.load import prepare
from rankkit.serving.http import Server


@contextmanager
def serving(spec: str = "sharpness", **options: Any) -> Iterator[Server]:
    """A server of a ranker, until the block ends."""
    with Server(prepare(spec, local_only=True), **options) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join(30)


def request(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Status and body of the answer to one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ask(server: Server, path: str, question: object, **headers: str) -> tuple[int, Any]:
    """Status and content of the answer to one request in JSON."""
    status, body = request(server, "POST", path, json.dumps(question).encode(), **headers)
    return status, json.loads(body)
