"""Servers that answer slowly, half, wrongly, without end, or as somebody else: the groups abstain or the run
says why; nobody waits for ever, and memory is bounded.
"""

import contextlib
import itertools
import json
import socket
import threading

import pytest
from PIL import Image

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.remote import http_client, wire
from rankkit.remote.rankers import Http
from rankkit.version import installed_version

pytestmark = pytest.mark.fault
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-rankkit\r\n"


def whole(body):
    return HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)


def greeting(**changes):
    said = {"name": "x", "version": "1", "options": {}, "kind": "pointwise", "needs_prompt": False}
    said |= {"protocol": wire.VERSION, "rankkit": installed_version(), **changes}
    return whole(json.dumps(said).encode())


RANKED = wire.encode_rankings([rankkit.Ranking((1.0, 2.0), "pointwise")])


@contextlib.contextmanager
def server(*answers):
    """A server whose connections get these answers in turn, the last one for ever; an answer is pieces that
    are sent 0.02 s apart.
    """
    over = threading.Event()

    def answer(connection, pieces):
        with connection, contextlib.suppress(OSError):
            connection.recv(2**20)
            for piece in pieces:
                connection.sendall(piece)
                if over.wait(0.02):
                    return

    def listen():
        with contextlib.suppress(OSError):
            for number in itertools.count():
                connection, _ = listener.accept()
                pieces = answers[min(number, len(answers) - 1)]
                threading.Thread(target=answer, args=(connection, pieces()), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=listen, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def hello():
    return iter([greeting()])


def groups():
    return [rankkit.Group("p", (Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "red")))]


def drip(data):
    return (data[i : i + 1] for i in range(len(data)))


WITHOUT_END = {
    "a head that drips": lambda: drip(HEAD * 100),
    "headers without end": lambda: itertools.chain([HEAD], (b"X-%d: y\r\n" % i for i in itertools.count())),
    "100 Continue without end": lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 20),
    "a body that drips": lambda: itertools.chain(
        [HEAD + b"Content-Length: 9999\r\n\r\n"], itertools.repeat(b"x")
    ),
    "chunks without end": lambda: itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\nx\r\n")
    ),
    "a body without a length": lambda: itertools.chain([HEAD + b"\r\n"], itertools.repeat(b"x")),
    "nothing": lambda: itertools.repeat(b""),
}


@pytest.mark.parametrize("how", WITHOUT_END)
def test_an_answer_without_end_is_given_up_when_its_time_is_over(how, monkeypatch):
    monkeypatch.setattr(http_client, "PAUSE", 0.01)
    with server(hello, WITHOUT_END[how]) as url:
        ranker = Http(url, timeout=0.5)
        try:
            (ranking,) = ranker.rank(groups())
            assert all(score != score for score in ranking.scores) and ranking.details[0]["error"]
        except BrokenRanker as error:
            assert str(error)


def test_an_answer_of_endless_length_takes_bounded_memory(monkeypatch):
    monkeypatch.setattr(http_client, "PAUSE", 0.01)
    monkeypatch.setattr(http_client, "REPLY", 2**22)
    much = lambda: itertools.chain([HEAD + b"\r\n"], itertools.repeat(bytes(2**20)))  # noqa: E731
    with server(hello, much) as url, pytest.raises(BrokenRanker, match="sends more than 4194304 bytes"):
        Http(url, timeout=30).rank(groups())


HALF_OR_WRONG = {
    "half of the announced bytes": whole(RANKED)[:-5],
    "no HTTP": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "an odd status": b"HTTP/1.1 999 X\r\n\r\n",
    "another body": whole(b"<html>It works!</html>"),
    "no rankings": whole(wire.encode_rankings([])),
    "too many scores": whole(wire.encode_rankings([rankkit.Ranking((1.0, 2.0, 3.0))])),
    "groups in place of rankings": whole(wire.encode_groups(groups())),
    "another wire version": whole(RANKED[:4] + bytes([wire.VERSION + 1]) + RANKED[5:]),
    "half a message": whole(RANKED[:-8]),
}


@pytest.mark.parametrize("what", HALF_OR_WRONG)
def test_half_an_answer_or_a_wrong_one_is_never_a_score(what, monkeypatch):
    monkeypatch.setattr(http_client, "PAUSE", 0.01)
    with server(hello, lambda: iter([HALF_OR_WRONG[what]])) as url:
        try:
            (ranking,) = Http(url, timeout=5).rank(groups())
        except rankkit.RankkitError as error:
            assert str(error)
        else:
            assert all(score != score for score in ranking.scores) and ranking.details[0]["error"]


@pytest.mark.parametrize("changes", [{"version": "2"}, {"name": "y"}, {"options": {"a": 1}}])
def test_a_server_that_became_another_ranker_is_noticed(changes):
    with server(hello, lambda: iter([greeting(**changes)])) as url:
        ranker = Http(url, timeout=5)
        with pytest.raises(BrokenRanker, match="start anew"):
            ranker.absence()
