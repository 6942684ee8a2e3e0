"""Bad requests beside good ones: how many good ones a server answers, flooded and not."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import multiprocessing
import random
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from benchmarks.faults.processes import RANKKIT, served
from benchmarks.faults.scoring import RANKERS
from benchmarks.record import spread

SECONDS = 4.0  # of each measurement
RATE = 100  # bad requests a second, for all that send them together
SENDERS = 4
BAD = (
    b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 60\r\n\r\n0\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{\"images\"",
    b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nRKgr\x01\xff\xff\xff",
    b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST /score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nfew",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"DELETE /rank HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n",
)  # fmt: skip


def flood(rounds: int = 7, seed: int = 0) -> dict[str, Any]:
    """Good requests a second, one after the other, to a ranker that takes 2 ms an image, by turns while the
    flood comes to this server and while it comes to a plain socket, so that what sending costs, and whatever
    else runs on the machine, meets both.
    """
    rates: dict[str, list[float]] = {"quiet": [], "flooded": []}
    answered = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="rankkit-faults-") as name, _elsewhere() as elsewhere:
        place = Path(name)
        (place / "slowly.py").write_text(RANKERS)
        with served((*RANKKIT, "serve", "slowly:slow", "--port", "0"), place, " at ") as (_, url):
            address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
            _good_requests(address, 1.0)
            for number in range(rounds):
                with _flooded(elsewhere, f"{seed}/{number}", Counter()):
                    rates["quiet"].append(_good_requests(address, SECONDS))
                with _flooded(address, f"{seed}/{number}", answered):
                    rates["flooded"].append(_good_requests(address, SECONDS))
    ratio = [b / a for a, b in zip(rates["quiet"], rates["flooded"], strict=True)]
    return {
        "good requests a second": {how: spread(each) for how, each in rates.items()},
        "share": spread(ratio),
        "bad requests": sum(answered.values()),
        "answers to them": dict(sorted(answered.items())),
    }


def _good_requests(address: tuple[str, int], seconds: float) -> float:
    """How many a second are answered with a score."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    body = json.dumps({"images": [base64.b64encode(buffer.getvalue()).decode()] * 16})
    connection = http.client.HTTPConnection(*address, timeout=30)
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        connection.request("POST", "/score", body)
        answer = json.loads(connection.getresponse().read())
        assert answer["scores"] == [255.0] * 16, answer
        done += 1
    connection.close()
    return done / (time.perf_counter() - begun)


@contextlib.contextmanager
def _flooded(address: tuple[str, int], seed: str, answered: Counter[str]) -> Iterator[None]:
    """A process that sends bad requests, until the block ends; counts what they were answered."""
    here, there = multiprocessing.Pipe()
    sender = multiprocessing.get_context("fork").Process(target=_send_all, args=(address, seed, there))
    sender.start()
    try:
        yield
    finally:
        here.send("over")
        answered.update(here.recv())
        sender.join()


def _send_all(address: tuple[str, int], seed: str, pipe: Connection) -> None:
    answered = Counter[str]()

    def send(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        held: list[socket.socket] = []  # those whose body never comes
        while not over.wait(rng.uniform(0, 2 * SENDERS / RATE)):
            bad = rng.choice(BAD)
            with contextlib.suppress(OSError):
                connection = socket.create_connection(address, timeout=5)
                connection.sendall(bad)
                if bad.endswith(b"few"):
                    held.append(connection)
                    answered["body never sent"] += 1
                    continue
                head = connection.recv(2**12)
                answered[head.split()[1].decode() if head.startswith(b"HTTP") else "hung up"] += 1
                connection.close()
        for connection in held:
            connection.close()

    over = threading.Event()
    senders = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    pipe.recv()
    over.set()
    for sender in senders:
        sender.join()
    pipe.send(answered)


@contextlib.contextmanager
def _elsewhere() -> Iterator[tuple[str, int]]:
    """A socket in another process at which everything is answered with 400, without being read."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        process = multiprocessing.get_context("fork").Process(target=_refuse_all, args=(listener,))
        process.start()
        try:
            yield listener.getsockname()
        finally:
            process.kill()
            process.join()


def _refuse_all(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(2**17)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
