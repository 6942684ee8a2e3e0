"""An OpenAI-compatible server on the loopback address: a judge of brightness with manners on demand."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from rankkit_vlm_judge.testing.manners import MANNERS, Body, Manner, image_urls, open_image

Fault = str | tuple[Any, ...] | Manner | None
"""Something done instead of answering: a name of `Handler.misbehave`, (status, said, headers), a manner."""


class JudgeServer:
    """Log-probabilities of A and B (Yes and No) by how bright the images are, plus a position bias.

    `fault(number, body)` may return what to do instead of answering; `number` counts chat requests from 0,
    the first of which is the judge's first question. `requests` holds the bodies, `seen` counts the
    questions.
    """

    def __init__(self) -> None:
        self.fault: Callable[[int, Body], Fault] = lambda number, body: None
        self.away: Callable[[], bool] = lambda: False
        self.bias, self.mass, self.logprobs, self.models = 0.5, 0.98, True, ["brightness-1"]
        self.says: Callable[[Body, str], str] = lambda body, better: f"They differ.\nAnswer: {better}"
        self.key: str | None = None
        self.latency, self.served = 0.0, "brightness-1"
        self.requests: list[Body] = []
        self.seen: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.http = _Server(("127.0.0.1", 0), Handler)
        self.http.judge = self
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def play(self, name: str, *, after: int = 0) -> None:
        """Answer in a manner of `MANNERS`, from the chat request with this number on."""
        self.fault = lambda number, body: MANNERS[name] if number >= after else None

    def stop(self) -> None:
        """Close the port."""
        if self.thread.is_alive():
            self.http.shutdown()
            self.http.server_close()
            self.thread.join()

    def __enter__(self) -> JudgeServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def judge(self, body: Body) -> tuple[float, tuple[str, str]]:
        """P(first label), and the labels."""
        levels = [brightness(url) for url in image_urls(body)]
        if len(levels) == 1:
            return 1 / (1 + math.exp(-(levels[0] - 0.5) * 10)), ("Yes", "No")
        return 1 / (1 + math.exp(-(levels[0] - levels[1]) * 10 - self.bias)), ("A", "B")

    def answer(self, body: Body) -> dict[str, Any]:
        """A good completion."""
        p, labels = self.judge(body)
        chosen = labels[0] if p > 0.5 else labels[1]
        short = body.get("max_tokens", 1) == 1
        choice: dict[str, Any] = {
            "finish_reason": "length" if short else "stop",
            "message": {"content": chosen if short else self.says(body, chosen)},
        }
        if body.get("logprobs") and self.logprobs:
            top = [(labels[0], p * self.mass), (f" {labels[1]}", (1 - p) * self.mass), ("The", 1 - self.mass)]
            listed = [{"token": token, "logprob": math.log(max(value, 1e-9))} for token, value in top]
            choice["logprobs"] = {"content": [{"token": chosen, "logprob": 0.0, "top_logprobs": listed}]}
        return {
            "model": self.served,
            "choices": [choice],
            "usage": {"prompt_tokens": 90, "completion_tokens": 10},
        }

    def completion(self, manner: Manner, body: Body) -> dict[str, Any]:
        """A completion as a manner has it."""
        found = self.answer(body)
        if manner.message is not None:
            p, labels = self.judge(body)
            better, worse = labels if p > 0.5 else labels[::-1]
            said = {
                name: text if text is None else text.format(better=better, worse=worse)
                for name, text in manner.message.items()
            }
            found["choices"] = [{"message": said, "finish_reason": manner.finish}]
        manner.change(found)
        return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    judge: JudgeServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    @property
    def judge(self) -> JudgeServer:
        """The server's judge."""
        return cast(_Server, self.server).judge

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """The list of models."""
        if self.judge.away():
            return self.hang_up()
        if self.path.endswith("/models"):
            return self.reply(200, {"data": [{"id": name} for name in self.judge.models]})
        self.reply(404, {"error": {"message": "no such path"}})

    def do_POST(self) -> None:
        """A chat request."""
        judge = self.judge
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with judge.lock:
            number = len(judge.requests)
            judge.requests.append(body)
            judge.headers.append(dict(self.headers))
            judge.paths.append(self.path)
            judge.seen[json.dumps(body["messages"][-1]["content"])] += 1
            judge.under_way += 1
            judge.most_under_way = max(judge.most_under_way, judge.under_way)
        try:
            time.sleep(judge.latency)
            if judge.key and self.headers.get("Authorization") != f"Bearer {judge.key}":
                return self.reply(401, {"error": {"message": f"bad key {self.headers.get('Authorization')}"}})
            if not self.path.partition("?")[0].endswith("/v1/chat/completions"):
                return self.reply(404, {"error": {"message": f"no such path: {self.path}"}})
            self.misbehave(judge.fault(number, body), body)
        finally:
            with judge.lock:
                judge.under_way -= 1

    def misbehave(self, fault: Fault, body: Body) -> None:
        """Do what the fault says, or answer well."""
        if isinstance(fault, Manner) and fault.when(body):
            said = self.judge.completion(fault, body) if fault.body is None else fault.body
            return self.reply(fault.status, said, fault.headers)
        if fault is None or isinstance(fault, Manner):
            return self.reply(200, self.judge.answer(body))
        if isinstance(fault, tuple):
            return self.reply(*fault)
        if fault == "hang":
            time.sleep(2)
        if fault == "dribble":
            self.announce(1000)
            for _ in range(40):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        if fault == "drip":
            for piece in (b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 40):
                self.wfile.write(piece)
                time.sleep(0.05)
        if fault == "truncate":
            self.announce(1000)
            self.wfile.write(b'{"choices": [')
        if fault == "html":
            return self.reply(200, b"<html>Welcome</html>")
        if fault == "refuse":
            message = {"content": None, "refusal": "I can't judge this."}
            choices = [{"finish_reason": "content_filter", "message": message}]
            return self.reply(200, {"choices": choices, "usage": {"total_tokens": 5}})
        self.hang_up()

    def announce(self, length: int) -> None:
        """Announce a body of so many bytes."""
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def hang_up(self) -> None:
        """Break the connection."""
        self.close_connection = True
        self.connection.close()

    def reply(self, status: int, said: object, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer: bytes as they are, anything else as JSON."""
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in dict(headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def brightness(url: str) -> float:
    """The mean level of an image in a data: URL, in [0, 1]."""
    with open_image(url) as image:
        level = image.convert("L").resize((1, 1)).getpixel((0, 0))
    return cast(float, level) / 255
