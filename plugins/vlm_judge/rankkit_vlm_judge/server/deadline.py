"""A time by which an answer is complete, head and all, whatever a server sends meanwhile.

httpx2's own limits hold for each piece that is read: a head that drips, or one "100 Continue" after another,
would be waited for without end.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore2
import httpx2

_until = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """A block in which this thread's reads and writes end after so long, with `httpx2.TimeoutException`."""
    _until.time = time.monotonic() + seconds
    try:
        yield
    finally:
        del _until.time


def keep_deadlines(transport: httpx2.HTTPTransport) -> httpx2.HTTPTransport:
    """The same transport, whose connections heed `within`."""
    pool: Any = transport._pool
    pool._network_backend = _Backend(pool._network_backend)
    return transport


def _left(timeout: float | None, late: type[Exception]) -> float | None:
    until = getattr(_until, "time", None)
    if until is None:
        return timeout
    left = float(until - time.monotonic())
    if left <= 0:
        raise late("the answer comes too slowly")
    return left if timeout is None else min(timeout, left)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, inner: httpcore2.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = _left(timeout, httpcore2.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
