"""A server that ranks, seen from here: requests with limits on attempts, on waiting and on the answer."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from rankkit.core.text import line_of
from rankkit.errors import BrokenRanker, RankkitError, UsageError
from rankkit.remote.handshake import as_error, bearer
from rankkit.remote.process import REPLY, SILENCE

TRIES = 4  # attempts at one request
PAUSE = 0.25  # seconds before the second attempt, on average; twice that before the third, and so on
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})  # this machine's names for itself
CONNECT = 20.0  # seconds a connection may take
GREETING = 60.0  # seconds that a server may take to say who it is, however long it may rank

_NEXT_STEP = {
    401: "give the server's token in RANKKIT_TOKEN, or name its variable as token_env in rankkit.toml",
    403: "it may not be used from here",
    404: "is it the address that rankkit serve said?",
    413: "rank fewer images at a time, or serve it with a larger --max-body",
}


class Unreachable(BrokenRanker):
    """A server did not answer, however often it was asked."""


class Client:
    """A server at an address.

    Redirects and proxies are not followed: the token goes where it was meant to go.
    """

    def __init__(self, url: str, token: str | None, timeout: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise UsageError(_no_address(url)) from None
        if (
            parts.scheme not in ("http", "https")
            or not host
            or not host.isprintable()
            or set(host) & set(" \\")
            or parts.username is not None
            or parts.query
            or parts.fragment
        ):
            raise UsageError(_no_address(url))
        self.url, self.timeout, self._path = url.rstrip("/"), timeout, parts.path.rstrip("/")
        self.far = host not in LOOPBACK  # whether it is (or may be) another machine
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(host, port, timeout=min(CONNECT, timeout))
        self.broke_off = False  # whether a connection broke, as it does where a server is started anew
        self._headers = {} if token is None else {"Authorization": bearer(token)}

    def greeting(self) -> bytes:
        """What a server says of itself. Raises as `request`."""
        said = self.request("GET", "/", timeout=min(self.timeout, GREETING))
        self.broke_off = False
        return said

    def request(
        self, method: str, path: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> bytes:
        """The body of a good answer, which may take `timeout` seconds; as long as a ranking if None.

        Raises `Unreachable`, and `BrokenRanker` for an answer that would not get better by asking again.
        """
        timeout = self.timeout if timeout is None else timeout
        reason, end = "", time.monotonic() + timeout
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            try:
                status, answer = self._when_free(method, path, body, end, timeout)
            except TimeoutError:
                self.close()
                raise Unreachable(f"{self.url} did not answer within {timeout:g} s") from None
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                self.close()
                self.broke_off = True
                reason = (
                    f"{self.url} cannot be "
                    f"reached: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}"
                )
                continue
            if status == 200:
                return answer
            if status not in (408, 429) and status < 500:
                raise self._error(status, answer)
            self.close()  # for many servers do so after an error, and do not say so
            reason = f"{self.url} answered {status}: {_said(answer)}"
        raise Unreachable(f"{reason}, {TRIES} times; is rankkit serve running there?")

    def close(self) -> None:
        """Hang up. The next request connects anew."""
        self._connection.close()

    def _when_free(
        self, method: str, path: str, body: bytes | None, end: float, timeout: float
    ) -> tuple[int, bytes]:
        """The answer of a server. One that is busy and says when to come again is asked then, until `end`."""
        while True:
            status, answer, pause = self._once(method, path, body, timeout)
            if status != 429 or pause is None or time.monotonic() + pause > end:
                return status, answer
            time.sleep(pause * random.uniform(1, 1.5))

    def _once(
        self, method: str, path: str, body: bytes | None, timeout: float
    ) -> tuple[int, bytes, float | None]:
        """Status and body of an answer, and after how many seconds it says to come again."""
        connection = self._connection
        if connection.sock is None:
            self._connect()
        with self._in_time(timeout):
            connection.request(
                method, self._path + path, body, {"Content-Type": "application/x-rankkit", **self._headers}
            )
            connected = connection.sock
            response = connection.getresponse()
            connected.settimeout(min(SILENCE, timeout))  # a server has all of an answer when it begins
            answer = self._body(response)
            if connection.sock is not None:  # it goes on
                connection.sock.settimeout(self.timeout)
        after = response.getheader("Retry-After", "")
        pause = min(max(float(after), PAUSE), 60.0) if after.isascii() and after.isdigit() else None
        return response.status, answer, pause

    @contextlib.contextmanager
    def _in_time(self, timeout: float) -> Iterator[None]:
        """Cut the connection, and raise TimeoutError, where the block takes longer than that, whatever the
        server sends meanwhile: a head that drips, or one "100 Continue" after the other.
        """
        late, connected = threading.Event(), self._connection.sock

        def cut() -> None:
            late.set()
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(timeout, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, http.client.HTTPException):
            if not late.is_set():
                raise
        finally:
            timer.cancel()
        if late.is_set():
            raise TimeoutError

    def _body(self, response: http.client.HTTPResponse) -> bytes:
        announced, body = response.length, bytearray()
        try:
            while piece := response.read1(2**20):
                body += piece
                if len(body) > REPLY:
                    self.close()
                    raise BrokenRanker(f"{self.url} sends more than {REPLY} bytes in one answer")
        except TimeoutError:
            of = "" if announced is None else f" of {announced}"
            raise ConnectionError(
                f"its answer stopped after {len(body)}{of} bytes, nothing came for {SILENCE:g} s"
            ) from None
        if announced is not None and len(body) < announced:
            raise http.client.IncompleteRead(b"", announced - len(body))
        response.close()
        return bytes(body)

    def _connect(self) -> None:
        try:
            self._connection.connect()
        except TimeoutError:
            raise ConnectionError(f"no connection within {min(CONNECT, self.timeout):g} s") from None
        assert self._connection.sock is not None
        self._connection.sock.settimeout(self.timeout)

    def _error(self, status: int, answer: bytes) -> RankkitError:
        if status == 422:
            return as_error(answer)
        hint = _NEXT_STEP.get(status)
        return BrokenRanker(f"{self.url} answered {status}: {_said(answer)}" + (f"; {hint}" if hint else ""))


def _no_address(url: str) -> str:
    """Why an address is none, without what may be a password in it."""
    scheme, _, rest = url.partition("://")
    shown = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    less = "" if shown == rest else " and nothing else"
    return (
        f"{f'{scheme}://{shown}'!r} {'with more around it ' if less else ''}is no address of a server; write "
        f"http://HOST:PORT{less}, and put its token in RANKKIT_TOKEN"
    )


def _said(answer: bytes) -> str:
    text = str(as_error(answer)) if answer.startswith(b"{") else answer.decode("utf-8", "replace")
    return line_of(text, 300) or "nothing"
