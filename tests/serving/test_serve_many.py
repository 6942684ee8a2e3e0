"""A served ranker and many who ask it at once, who hang up, or who should not be asking."""

import base64
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from web_server import ask, request, serving

import rankkit
from rankkit.errors import UsageError
from rankkit.remote import handshake, wire
from rankkit.serving import http as serving_http
from rankkit.serving import middleware


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(middleware, "LINGER", 0.1)


def message(prompt="p", n=2):
    return wire.encode_groups([rankkit.Group(prompt, tuple(Image.new("RGB", (8 + i, 4)) for i in range(n)))])


GATE, CALLS = threading.Event(), []


@rankkit.pointwise
def gated(images, prompts):
    """The width of each image, once the gate is open; every call is noted."""
    CALLS.append(list(prompts))
    assert GATE.wait(30)
    if "raise" in prompts:
        raise ValueError("no such thing")
    return [image.width for image in images]


class Listwise:
    """Notes the prompts of each call, once the gate is open."""

    def rank(self, groups):
        CALLS.append([group.prompt for group in groups])
        assert GATE.wait(30)
        return [rankkit.Ranking((0.0,) * len(group.images)) for group in groups]


@pytest.fixture(autouse=True)
def closed_gate():
    GATE.clear()
    CALLS.clear()
    yield
    GATE.set()


@pytest.mark.fault
def test_who_waits_for_a_ranker_that_hangs_is_told_so_and_so_is_who_comes_later():
    image = io.BytesIO()
    Image.new("RGB", (8, 4)).save(image, "PNG")
    question = {"images": [base64.b64encode(image.getvalue()).decode()], "prompts": "p"}
    with serving(f"{__name__}:gated", timeout=0.2) as server:
        first = ask(server, "/score", question)
        second = request(server, "POST", "/rank", message())
        health = request(server, "GET", "/healthz")
        for status, said in (first, second, health):
            text = said["error"] if isinstance(said, dict) else json.loads(said)["error"]
            assert status == 503 and "gated has been at one call for" in text and "may take 0.2 s" in text
        GATE.set()
        until(lambda: request(server, "GET", "/healthz")[0] == 200)
        assert ask(server, "/score", question)[1]["scores"] == [8.0] and len(CALLS) == 2


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Client(threading.Thread):
    """Asks about one group, in a thread of its own."""

    def __init__(self, server, prompt):
        super().__init__(daemon=True)
        self.server, self.prompt = server, prompt
        self.start()

    def run(self):
        self.status, self.body = request(self.server, "POST", "/rank", message(self.prompt))

    def answer(self):
        self.join(30)
        return self.status, self.body


def ask_while_busy(server, prompts):
    """Clients whose requests all wait while the server is busy with that of the first."""
    clients = [Client(server, "first")]
    until(lambda: CALLS)
    for count, prompt in enumerate(prompts, 1):
        clients.append(Client(server, prompt))
        until(lambda count=count: len(server.waiting_jobs) == count)
    GATE.set()
    return clients


@pytest.fixture(autouse=True)
def see_the_queue(monkeypatch):
    monkeypatch.setattr(
        serving_http.Server, "waiting_jobs", property(lambda self: self._batches._waiting), raising=False
    )


def test_requests_that_wait_for_a_pointwise_ranker_share_one_call():
    with serving(f"{__name__}:gated") as server:
        clients = ask_while_busy(server, "abcd")
        for client in clients:
            status, body = client.answer()
            assert status == 200 and wire.decode_rankings(body)[0].scores == (8.0, 9.0)
    assert [["first"] * 2, [prompt for prompt in "abcd" for _ in range(2)]] == CALLS


def test_requests_for_a_ranker_that_compares_are_ranked_one_by_one():
    with serving(f"{__name__}:Listwise") as server:
        assert [client.answer()[0] for client in ask_while_busy(server, "abc")] == [200] * 4
    assert CALLS == [["first"], ["a"], ["b"], ["c"]]


class Picky:
    """Pointwise; refuses a whole call for one prompt."""

    kind = "pointwise"

    def rank(self, groups):
        CALLS.append([group.prompt for group in groups])
        assert GATE.wait(30)
        if any(group.prompt == "raise" for group in groups):
            raise ValueError("no\nsuch thing")
        return [rankkit.Ranking((1.0,) * len(group.images), "pointwise") for group in groups]


def test_a_request_that_fails_in_a_shared_call_costs_the_others_nothing():
    with serving(f"{__name__}:Picky") as server:
        clients = ask_while_busy(server, ["a", "raise", "b"])
        answers = [client.answer() for client in clients]
    assert [status for status, _ in answers] == [200, 200, 422, 200]
    assert str(handshake.as_error(answers[2][1])) == f"{__name__}:Picky: ValueError: no such thing"
    assert CALLS == [["first"], ["a", "raise", "b"], ["a"], ["raise"], ["b"]]


def test_who_comes_while_too_many_wait_is_told_to_come_again():
    with serving(f"{__name__}:gated", waiting=2) as server:
        clients = [Client(server, "first")]
        until(lambda: CALLS)
        clients.append(Client(server, "second"))
        until(lambda: len(server.waiting_jobs) == 1)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("POST", "/rank", message())
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        assert "2 requests are waiting already" in json.loads(answer.read())["error"]
        assert request(server, "GET", "/")[0] == 200
        GATE.set()
        assert [client.answer()[0] for client in clients] == [200, 200]
        assert request(server, "POST", "/rank", message())[0] == 200


def test_bodies_under_way_never_exceed_four_of_full_length():
    with serving(limit=len(message())) as server:
        head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % server.limit
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(4)]
        for connection in idle:
            connection.sendall(head + message()[:-1])
        until(lambda: request(server, "POST", "/rank", message())[0] == 429)
        for connection in idle:
            connection.close()
        until(lambda: request(server, "POST", "/rank", message())[0] == 200)


def test_bodies_that_are_announced_and_never_come_take_nothing_from_the_others():
    head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\nfew"
    with serving(f"{__name__}:gated", waiting=2) as server:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(12)]
        for connection in idle:
            connection.sendall(head % server.limit)
        assert json.loads(request(server, "GET", "/healthz")[1])["waiting"] == 0
        client = Client(server, "first")
        until(lambda: CALLS)
        second = Client(server, "second")
        until(lambda: len(server.waiting_jobs) == 1)
        assert json.loads(request(server, "GET", "/healthz")[1])["waiting"] == 2
        GATE.set()
        assert [each.answer()[0] for each in (client, second)] == [200, 200]
        for connection in idle:
            connection.close()


def test_one_whose_body_found_no_room_when_it_had_come_is_told_to_come_again():
    with serving(f"{__name__}:gated", waiting=1) as server:
        body = message("late")
        head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as late:
            late.sendall(head + body[:9])
            request(server, "GET", "/healthz")  # the head of the one before has been read
            first = Client(server, "first")
            until(lambda: CALLS)
            late.sendall(body[9:])
            assert late.recv(2**12).startswith(b"HTTP/1.1 429")
        GATE.set()
        assert first.answer()[0] == 200
    assert CALLS == [["first", "first"]]


def test_pixels_of_small_files_count_as_what_they_decode_to():
    image = io.BytesIO()
    Image.new("RGB", (40, 40)).save(image, "PNG")
    question = {"images": [base64.b64encode(image.getvalue()).decode()], "prompts": "p"}
    with serving(f"{__name__}:gated", limit=5000) as server:
        clients = [threading.Thread(target=ask, args=(server, "/score", question)) for _ in range(4)]
        clients[0].start()
        until(lambda: CALLS)
        for waiting, client in enumerate(clients[1:], 1):  # one by one: a body counts until it is decoded
            client.start()
            until(lambda: len(server.waiting_jobs) == waiting)  # noqa: B023  (asked within the turn)
        assert ask(server, "/score", question)[0] == 429
        GATE.set()
        for client in clients:
            client.join(30)
        assert ask(server, "/score", question)[0] == 200


def test_a_client_that_hangs_up_is_not_ranked_and_costs_the_others_nothing(capfd):
    with serving(f"{__name__}:gated") as server:
        first = Client(server, "first")
        until(lambda: CALLS)
        body = message("gone")
        head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + body)
            until(lambda: server.waiting_jobs)
        until(lambda: server.waiting_jobs[0].answer.cancelled())
        other = Client(server, "other")
        until(lambda: len(server.waiting_jobs) == 2)
        GATE.set()
        assert first.answer()[0] == other.answer()[0] == 200
    assert CALLS == [["first"] * 2, ["other"] * 2]
    assert "Traceback" not in capfd.readouterr().err


def test_a_client_that_hangs_up_while_it_is_ranked_costs_the_others_nothing():
    with serving(f"{__name__}:gated") as server:
        body = message("gone")
        head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + body)
            until(lambda: CALLS)
        GATE.set()
        assert Client(server, "other").answer()[0] == 200


# --- who may ask ---


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200),
        ("LOCALHOST:1234", 200),
        ("127.0.0.1:8085", 200),
        ("[::1]:8085", 200),
        ("evil.example", 403),
        ("evil.example:8085", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_on_loopback_only_names_of_loopback_may_be_asked_for(host, status):
    with serving() as server:
        for method, path in (("GET", "/"), ("POST", "/rank")):
            answered, body = request(server, method, path, message(), Host=host)
            assert answered == status and (status == 200 or "error" in json.loads(body))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_site_may_not_ask(headers):
    with serving() as server:
        for method, path in (("GET", "/"), ("POST", "/rank"), ("OPTIONS", "/rank")):
            status, body = request(server, method, path, message(), **headers)
            assert status == 403 and b"may not ask this server" in body


def test_a_page_of_the_server_itself_may_ask():
    with serving() as server:
        own = {"Origin": server.url, "Sec_Fetch_Site": "same-origin"}
        assert request(server, "GET", "/", None, **own)[0] == 200


def test_a_server_that_others_reach_may_be_asked_by_any_name():
    with serving(host="0.0.0.0", token="hush") as server:
        good = {"Host": "gpu7:8085", "Authorization": "Bearer hush"}
        assert request(server, "GET", "/", None, **good)[0] == 200
        assert request(server, "GET", "/", None, **good, Origin="http://evil.example")[0] == 403


# --- how it ends, and what it needs ---

SLOW = """
import time, rankkit

@rankkit.pointwise
def slow(image):
    time.sleep(0.5)
    return 1.0
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_before_the_server_ends(ending, tmp_path):
    (tmp_path / "slow_ranker.py").write_text(SLOW)
    root = str(Path(rankkit.__file__).parents[1])
    command = [sys.executable, "-m", "rankkit", "serve", "slow_ranker:slow", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), root])}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        try:
            port = int(process.stderr.readline().split(" at ")[1].split(";")[0].rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/rank", message(n=1))
            time.sleep(0.2)
            process.send_signal(ending)
            answer = connection.getresponse()
            assert answer.status == 200
            assert wire.decode_rankings(answer.read())[0].scores == (1.0,)
            assert process.wait(timeout=30) == 0 and process.stderr.read() == "stopped\n"
        finally:
            process.kill()


@pytest.mark.parametrize("package", ["uvicorn", "starlette"])
def test_without_the_web_packages_serve_says_how_to_get_them(package, monkeypatch):
    for name in ("app", "connection", "replies"):
        monkeypatch.delitem(sys.modules, f"rankkit.serving.{name}", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with (
        pytest.raises(UsageError, match=r"needs uvicorn and starlette: pip install 'rankkit-t2i\[serve\]'"),
        serving(),
    ):
        pass
