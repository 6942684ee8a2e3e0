"""Requests to one server: which failures are worth another try, which end the run, and why.

httpx2 is the maintained continuation of httpx; one client is shared by all threads and keeps its connections
open.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from rankkit import RunStopped
from rankkit_vlm_judge.budget import Budget, Usage
from rankkit_vlm_judge.server.completions import usage_of
from rankkit_vlm_judge.server.deadline import within
from rankkit_vlm_judge.server.failures import (
    LONGEST_ASKED_PAUSE,
    UNWELL,
    Again,
    Failed,
    HttpAnswer,
    exception_of,
)
from rankkit_vlm_judge.server.proxies import proxy_for, transport

MAX_BODY = 2**24  # bytes of an answer
DEADLINE = 300.0  # seconds after which a request is not tried again
LONGEST_PAUSE = 30.0  # seconds between tries, where the server names no time
RETURNS = 5  # times that one request outlives a server that goes and comes back
STRIKES = 5  # requests in a row that fail for good as if the server were unwell, until it is asked again
PARDONS = 6  # times that it may answer its first question then, and fail all others

NEXT = "What was judged is kept: give the same command again once the server is well"


@dataclass
class Server:
    """A base URL, tried again and waited for.

    `tries` per request with full jitter from `backoff` seconds on; `timeout` seconds for each.

    A server that is gone is waited for, `patience` seconds at most; requests that failed meanwhile are made
    again. Until `known` is set, because it has answered once, one that refuses connections is not tried
    again. `first` is a body that it has answered: while it still does, it is well.
    """

    url: str
    key: str | None
    budget: Budget
    timeout: float = 60.0
    tries: int = 6
    backoff: float = 0.5
    connections: int = 16
    patience: float = 0.0
    known: bool = False
    first: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.url, _, self._query = self.url.partition("?")  # as Azure's api-version=
        self.url = self.url.rstrip("/").removesuffix("/chat/completions")
        proxy = proxy_for(self.url)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if self.key and (urlsplit(self.url).hostname or "").endswith(".azure.com"):
            headers["api-key"] = self.key
        self.client = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(self.timeout, connect=min(self.timeout, 10.0)),
            transport=transport(proxy, self.connections),
        )
        self.where = self.url if proxy is None else f"{self.url} (by way of {proxy})"
        self.advice = "" if proxy is None else proxy.advice
        self.halt = threading.Event()  # set when the run is given up: no pause is waited for any more
        self.stopped: RunStopped | None = None
        self._strikes = self._pardons = 0
        self._lock, self._checking = threading.Lock(), threading.Lock()
        self._waiting = threading.Lock()
        self._away = -math.inf  # when the server was last found to be gone

    def get(self, path: str) -> Any:
        """The JSON at a path, free of charge."""
        return self._patiently("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answered to a JSON body.

        Raises `Failed` where this request fails, `RunStopped` where every other one would too.
        """
        content = json.dumps(body).encode()
        for returns in range(RETURNS + 1):
            if self.stopped is not None:
                break
            began = time.monotonic()
            try:
                answer = self._patiently("POST", path, content)
            except RunStopped as stopped:
                self.stopped = self.stopped or stopped
            except Failed as failure:
                if (
                    self.patience
                    and failure.outcome == "transport"
                    and returns < RETURNS
                    and self._was_away(began, failure)
                ):
                    continue
                self._strike(failure)
                raise
            else:
                with self._lock:
                    self._strikes = self._pardons = 0
                return answer
        assert self.stopped is not None
        raise self.stopped

    def _was_away(self, began: float, failure: Failed) -> bool:
        """Whether the server was gone since then, and is back now.

        Waits for it; the run is over if it does not come.
        """
        with self._waiting:
            since, pause = time.monotonic(), 0.1
            while not self._answers():
                self._away = time.monotonic()
                left = self.patience - (self._away - since)
                if self.stopped is not None or left <= 0 or self.halt.wait(min(pause, left)):
                    text = f"{failure}; it was waited for (patience={self.patience:g} seconds). {NEXT}"
                    self.stopped = self.stopped or RunStopped(text)
                    return True
                pause = min(2 * pause, 5.0)
            return self._away > began

    def _answers(self) -> bool:
        try:
            return self._exchange("GET", "/models", None).status < 500
        except (httpx2.HTTPError, Failed):
            return False

    def _strike(self, failure: Failed) -> None:
        """Count the requests in a row that fail as if the server were unwell; if it is, the run is over."""
        with self._lock:
            self._strikes = self._strikes + 1 if failure.outcome in UNWELL else 0
        with self._checking:
            if self._strikes < STRIKES or self.stopped is not None:
                return
            if self._pardons < PARDONS and self._is_well():
                self._strikes, self._pardons = 0, self._pardons + 1
                return
            self.stopped = RunStopped(
                f"{self.url} failed {self._strikes} requests in a row, the last one so: {failure}. {NEXT}"
            )
            raise self.stopped

    def _is_well(self) -> bool:
        """Whether the first question is still answered."""
        if self.first is None:
            return False
        try:
            self._patiently("POST", "/chat/completions", json.dumps(self.first).encode())
        except (Failed, RunStopped):
            return False
        return True

    def _patiently(self, method: str, path: str, content: bytes | None) -> Any:
        until = time.monotonic() + DEADLINE
        for attempt in range(1, self.tries + 1):
            try:
                return self._once(method, path, content)
            except Again as failure:
                pause = random.uniform(0, min(LONGEST_PAUSE, self.backoff * 2 ** (attempt - 1)))
                if failure.after is not None:
                    pause += failure.after
                asked = failure.after is not None and failure.after > LONGEST_ASKED_PAUSE
                if (
                    asked
                    or attempt == self.tries
                    or time.monotonic() + pause > until
                    or self.halt.wait(pause)
                ):
                    tried = f" (after {attempt} tries)" if attempt > 1 else ""
                    raise Failed(failure.outcome, f"{failure}{tried}", failure.advice) from None
        raise AssertionError("there is at least one try")

    def _once(self, method: str, path: str, content: bytes | None) -> Any:
        charged = method == "POST"
        if charged:
            self.budget.claim()
        usage: Usage | None = Usage()
        try:
            answer = self._exchange(method, path, content)
            if not answer.good:
                raise exception_of(answer)
            usage = usage_of(answer.json)
            return answer.json
        except httpx2.TimeoutException:
            raise Again(
                "timeout", f"{self.where} gave no complete answer within timeout={self.timeout:g} seconds"
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if isinstance(error, (httpx2.InvalidURL, httpx2.UnsupportedProtocol)):
                raise RunStopped(
                    f"{self.url!r} is not a URL that can be asked: {error}; write url=http://host:8000/v1"
                ) from None
            text = f"{self.where} cannot be talked to: {error or type(error).__name__}"
            unreachable = isinstance(error, (httpx2.ConnectError, httpx2.ProxyError))
            raise (Again if self.known or not unreachable else Failed)(
                "transport", text, advice=self.advice
            ) from None
        finally:
            if charged:
                self.budget.settle(usage)

    def _address(self, path: str) -> str:
        return self.url + path + (f"?{self._query}" if self._query else "")

    def _exchange(self, method: str, path: str, content: bytes | None) -> HttpAnswer:
        """One request; `timeout` holds for the whole answer, not only for each piece of it."""
        data = bytearray()
        sent = {"Content-Type": "application/json"} if content else None
        with (
            within(self.timeout),
            self.client.stream(method, self._address(path), content=content, headers=sent) as response,
        ):
            for piece in response.iter_bytes():
                data += piece
                if len(data) > MAX_BODY:
                    raise Failed("transport", f"{self.where} answered more than {MAX_BODY} bytes")
            return HttpAnswer(self.where, self.key, response.status_code, response.headers, bytes(data))
