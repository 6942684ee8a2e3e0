"""A fake OpenAI-compatible server on the loopback address: a judge of brightness with faults on demand."""

import base64
import io
import json
import math
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

import rankkit


class Fake:
    """Log-probabilities of A and B (Yes and No) by how bright the images are, plus a position bias.

    `fault(number, body)` may return the name of something to do instead of answering; `number` counts chat
    requests from 0, the first of which is the probe. `requests` holds the bodies, `seen` counts the
    questions.
    """

    def __init__(self):
        self.fault, self.away = lambda number, body: None, lambda: False
        self.bias, self.mass, self.logprobs, self.models = 0.5, 0.98, True, ["brightness-1"]
        self.says = lambda body, better: f"They differ.\nAnswer: {better}"
        self.key, self.latency, self.served = None, 0.0, "brightness-1"
        self.requests, self.seen, self.headers = [], Counter(), []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.fake = self
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def stop(self):
        if self.thread.is_alive():
            self.http.shutdown()
            self.http.server_close()
            self.thread.join()

    def judge(self, body):
        """P(first label), and the labels."""
        levels = [
            brightness(part["image_url"]["url"]) for part in content(body) if part["type"] == "image_url"
        ]
        if len(levels) == 1:
            return 1 / (1 + math.exp(-(levels[0] - 0.5) * 10)), ("Yes", "No")
        return 1 / (1 + math.exp(-(levels[0] - levels[1]) * 10 - self.bias)), ("A", "B")

    def answer(self, body):
        p, labels = self.judge(body)
        chosen = labels[0] if p > 0.5 else labels[1]
        short = body.get("max_tokens", 1) == 1
        choice = {
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


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        fake = self.server.fake
        if fake.away():
            self.close_connection = True
            return self.connection.close()
        if self.path.endswith("/models"):
            return self.reply(200, {"data": [{"id": name} for name in fake.models]})
        self.reply(404, {"error": {"message": "no such path"}})

    def do_POST(self):
        fake = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with fake.lock:
            number = len(fake.requests)
            fake.requests.append(body)
            fake.headers.append(dict(self.headers))
            fake.seen[question(body)] += 1
            fake.under_way += 1
            fake.most_under_way = max(fake.most_under_way, fake.under_way)
        try:
            time.sleep(fake.latency)
            if fake.key and self.headers.get("Authorization") != f"Bearer {fake.key}":
                return self.reply(401, {"error": {"message": f"bad key {self.headers.get('Authorization')}"}})
            if not self.path.endswith("/v1/chat/completions"):
                return self.reply(404, {"error": {"message": f"no such path: {self.path}"}})
            self.misbehave(fake.fault(number, body), body)
        finally:
            with fake.lock:
                fake.under_way -= 1

    def misbehave(self, fault, body):
        fake = self.server.fake
        if fault is None:
            return self.reply(200, fake.answer(body))
        if isinstance(fault, tuple):  # a status, what is said, and headers
            return self.reply(*fault)
        if fault == "hang":
            time.sleep(2)
        if fault == "dribble":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.05)
        if fault == "truncate":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
        if fault == "html":
            return self.reply(200, b"<html>Welcome</html>")
        if fault == "refuse":
            message = {"content": None, "refusal": "I can't judge this."}
            return self.reply(
                200,
                {
                    "choices": [{"finish_reason": "content_filter", "message": message}],
                    "usage": {"total_tokens": 5},
                },
            )
        self.close_connection = True
        self.connection.close()

    def reply(self, status, said, headers=()):
        data = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def content(body):
    return body["messages"][1]["content"]


def question(body):
    return json.dumps(content(body))


def brightness(url):
    with Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))) as image:
        return image.convert("L").resize((1, 1)).getpixel((0, 0)) / 255


@pytest.fixture
def fake(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Fake()
    yield server
    server.stop()


@pytest.fixture
def load(fake, tmp_path):
    """Loads a ranker that asks the fake, with pauses too short to notice and a cache of its own."""

    def load_(name="vlm-judge", **options):
        usual = {
            "url": fake.url,
            "model": "brightness-1",
            "cache": str(tmp_path / "verdicts.sqlite"),
            "backoff": 0.001,
            "timeout": 5.0,
        }
        return rankkit.load(name, **{**usual, **options})

    return load_


@pytest.fixture
def greys():
    """A group of plain grey images, one per level."""

    def greys_(*levels, prompt="a bright image", id=""):
        return rankkit.Group(
            prompt, tuple(Image.new("RGB", (24, 24), (level, level, level)) for level in levels), id
        )

    return greys_
