"""A server on this machine that answers every question of a judge at once."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from rankkit.testing import content_hash


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        p = 0.2 + 0.6 * int(content_hash(Image.new("L", (1, 1), sum(sent) % 256))[:8], 16) / 2**32
        top = [{"token": token, "logprob": math.log(value)} for token, value in (("A", p), ("B", 1 - p))]
        choice = {
            "message": {"content": "A"},
            "finish_reason": "length",
            "logprobs": {"content": [{"top_logprobs": top}]},
        }
        data = json.dumps(
            {"model": "fake", "choices": [choice], "usage": {"prompt_tokens": 850, "completion_tokens": 1}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def answering() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
