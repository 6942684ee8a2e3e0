"""Connections that are opened and never used, half used, or whose answers nobody reads: they cost the others
nothing, and they end.
"""

import contextlib
import socket
import threading

import pytest
from PIL import Image
from web_server import request, serving

import rankkit
from rankkit.remote import wire
from rankkit.serving import connection as served_connection
from rankkit.serving import middleware, replies
from rankkit.serving.connection import uvicorn_server
from rankkit.serving.local import WebServer, listen

pytestmark = pytest.mark.fault
MOST_OPEN = served_connection.most_connections
HALF = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nfew"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(middleware, "LINGER", 0.1)
    monkeypatch.setattr(served_connection, "most_connections", lambda: 20)


@contextlib.contextmanager
def opened(server, count, said=b""):
    """Connections on which that much is said, and no more."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            found.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 30)))
            with contextlib.suppress(ConnectionError):
                found[-1].sendall(said)
        yield found


def is_over(connection):
    """Whether the server ends it, without an answer."""
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("said", [b"", b"GET / HTT", HALF])
def test_connections_that_are_never_used_make_room_for_new_ones_the_longest_silent_first(said):
    with serving() as server, opened(server, 60, said) as found:
        assert request(server, "GET", "/healthz")[0] == 200
        assert is_over(found[0])
        found[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            found[-1].recv(100)


def test_a_connection_that_says_something_is_not_the_longest_silent_one():
    with serving() as server, opened(server, 1) as (mine,), opened(server, 15):
        assert request(server, "GET", "/healthz")[0] == 200, "and the server knows the fifteen"
        mine.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert request(server, "GET", "/healthz")[0] == 200
        with opened(server, 15):
            mine.sendall(b"Host: localhost\r\n\r\n")
            assert mine.recv(100).startswith(b"HTTP/1.1 200")


GATE, CALLED = threading.Event(), threading.Event()


@rankkit.pointwise
def gated(image):
    """Its width, once the gate is open."""
    CALLED.set()
    assert GATE.wait(30)
    return image.width


def test_a_request_that_is_being_answered_is_never_hung_up_on():
    body = wire.encode_groups([rankkit.Group("p", (Image.new("RGB", (8, 4)),))])
    answers = []
    with serving(f"{__name__}:gated") as server:
        asking = threading.Thread(target=lambda: answers.append(request(server, "POST", "/rank", body)[0]))
        asking.start()
        assert CALLED.wait(30)
        with opened(server, 60):
            assert request(server, "GET", "/healthz")[0] == 200
            GATE.set()
            asking.join(30)
    assert answers == [200]


def test_as_many_connections_are_open_as_leave_files_for_everything_else(monkeypatch):
    resource = pytest.importorskip("resource")
    for files, most in ((64, 16), (256, 64), (1024, 448), (10**6, 512), (resource.RLIM_INFINITY, 512)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, files=files: (files, files))
        assert MOST_OPEN() == most


class Unread:
    """Answers with much more than anybody takes in unasked, and notes when it is rid of it."""

    def __init__(self):
        self.over = threading.Event()

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 2**16, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self.over.set()


@contextlib.contextmanager
def answering(app, silence):
    listener = listen(socket.AF_INET, ("127.0.0.1", 0), "127.0.0.1", 0)
    port = listener.getsockname()[1]
    with WebServer(listener, uvicorn_server(app, silence)) as server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield port
        server.stop()
        thread.join(30)
        assert not thread.is_alive()


def test_an_answer_that_nobody_reads_is_given_up():
    app = Unread()
    with answering(app, 0.3) as port, socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert app.over.wait(30)


def test_an_answer_that_is_read_slowly_comes_whole():
    app = Unread()
    with answering(app, 0.3) as port, socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        read = 0
        while piece := connection.recv(2**17):
            read += len(piece)
        assert read > 1000 * 2**16 and app.over.is_set()


def test_a_server_ends_though_a_body_is_still_to_come(monkeypatch):
    monkeypatch.setattr(served_connection, "LAST", 0.2)
    begun = threading.Event()

    async def reading(scope, receive, send):
        begun.set()
        while (await receive()).get("more_body"):
            pass

    with contextlib.ExitStack() as afterwards, answering(reading, 60) as port:
        connection = afterwards.enter_context(socket.create_connection(("127.0.0.1", port)))
        connection.sendall(HALF)
        assert begun.wait(30)


def test_a_body_may_take_its_time_for_each_part_and_cannot_save_it_for_the_last(monkeypatch):
    monkeypatch.setattr(replies, "PART", 100)
    head = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nContent-Length: 975\r\n\r\n"
    with serving(silence=0.5) as server:
        with opened(server, 1, head) as (steady,):
            for _ in range(13):
                steady.sendall(b"x" * 75)
                steady.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    answer = steady.recv(100)
                    break
            else:
                steady.settimeout(30)
                answer = steady.recv(100)
            assert answer.split()[1] == b"400", "it was whole, and no groups"
        with opened(server, 1, head + b"x" * 950) as (late,):
            late.settimeout(0.1)
            for _ in range(24):
                late.sendall(b"x")
                with contextlib.suppress(TimeoutError):
                    answer = late.recv(100)
                    break
            assert answer.split()[1] == b"408"
