"""Clients that mean harm: requests of two lengths, drips, bombs; served by `rankkit serve` and by the page of
`rankkit label`, which stand on the same server.
"""

import base64
import gzip
import json
import socket

import pytest
from hostile_requests import LENGTHS, said_to
from score_runs import bomb
from web_server import ask, request, serving

from rankkit.serving import middleware

pytestmark = pytest.mark.fault
HEAD = b"POST /score HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(middleware, "LINGER", 0.1)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_request_with_two_lengths_or_a_doubtful_one_is_refused_and_the_connection_ends(lengths):
    with serving(silence=1) as server:
        answer = said_to(server.port, HEAD + lengths + b"\r\n0\r\n\r\n" + HIDDEN)
        assert answer.split()[1] in (b"400", b"411"), answer
        assert answer.count(b"HTTP/1.1") == 1, "the hidden request was answered too"
        assert request(server, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize("line", [
    b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"A" * 200_000,
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
])  # fmt: skip
def test_what_is_no_request_to_this_server_is_refused_or_hung_up_on(line):
    with serving(silence=1) as server:
        answer = said_to(server.port, line)
        if line.startswith(b"GET /healthz HTTP/1.1\n"):
            assert answer == b"" or answer.split()[1] in (b"200", b"400")
        else:
            assert answer == b"" or answer.split()[1][:1] == b"4", answer[:200]
        assert request(server, "GET", "/healthz")[0] == 200


def drips(server, data, pause):
    """Whether the server hung up, or answered, before these bytes had all come one by one."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for byte in data:
            try:
                connection.sendall(bytes([byte]))
            except ConnectionError:
                return True
            connection.settimeout(pause)
            try:
                connection.recv(2**16)
                return True
            except TimeoutError:
                continue
            except ConnectionError:
                return True
    return False


def test_a_head_that_drips_is_given_up_after_the_time_for_the_whole_of_it():
    with serving(silence=0.4) as server:
        assert drips(server, b"GET / HTTP/1.1\r\nX: " + b"a" * 400, 0.05)


def test_many_slow_clients_do_not_keep_others_waiting():
    with serving(silence=2) as server:
        slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
        for connection in slow:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nfew")
        statuses = {request(server, "GET", "/healthz")[0] for _ in range(10)}
        for connection in slow:
            connection.close()
        assert statuses == {200}


def encoded(data):
    return base64.b64encode(data).decode()


def test_bombs_are_refused_with_a_reason_and_decoded_by_nobody(tmp_path):
    bomb(tmp_path / "bomb.png")
    packed = gzip.compress(json.dumps({"images": [encoded(b"x" * 10**6)]}).encode())
    with serving() as server:
        status, answer = ask(server, "/score", {"images": [encoded((tmp_path / "bomb.png").read_bytes())]})
        assert status == 200 and answer["scores"] == [None] and "limit" in answer["errors"][0]
        status, body = request(server, "POST", "/score", packed, Content_Encoding="gzip")
        assert status in (400, 415) and b"error" in body
        status, body = request(server, "POST", "/score", b'{"images": ' + b"[" * 10**6)
        assert status == 400 and b"not JSON" in body
        status, body = request(
            server, "POST", "/score", b'{"images": ["' + b"9" * 10 + b'"], "prompts": 1e999}'
        )
        assert status == 400
        assert request(server, "GET", "/healthz")[0] == 200
