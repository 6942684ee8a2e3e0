"""What is announced and never comes: frames of workers, bodies of servers. Nothing hangs on it."""

import contextlib
import json
import socket
import sys
import textwrap
import threading

import pytest
from PIL import Image

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.remote import handshake, http_client, process, wire
from rankkit.remote.rankers import Http, Pipe

pytestmark = pytest.mark.fault
GROUP = rankkit.Group("p", (Image.new("RGB", (8, 4)), Image.new("RGB", (9, 4))))
WORKER = """
    import sys, time
    from rankkit.remote import frames, handshake, wire
    from rankkit import Ranking
    out = sys.stdout.buffer
    info = handshake.WorkerInfo("x", "1", {}, "pointwise", False)
    frames.write_frame(out, handshake.encode_handshake(info))
    while frames.read_frame(sys.stdin.buffer, limit=2**30):
        half = wire.encode_rankings([Ranking((1.0, 2.0))])
        head = frames._FRAME_HEAD.pack(b"RKfr", wire.VERSION, 10**6)
        out.write((head + half)[:LENGTH])
        out.flush()
        time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(process, "SILENCE", 0.3)
    monkeypatch.setattr(http_client, "SILENCE", 0.3)
    monkeypatch.setattr(http_client, "PAUSE", 0.01)


@pytest.mark.parametrize("length", [5, 13, 40])
def test_a_worker_whose_answer_stops_in_the_middle_is_ended_and_said(length):
    if not hasattr(process.select, "poll"):
        pytest.skip("this system does not tell whether something came")
    code = textwrap.dedent(WORKER).replace("LENGTH", str(length))
    with pytest.raises(BrokenRanker, match=r"its answer stopped in the middle, nothing came for 0\.3 s"):
        Pipe([sys.executable, "-c", code], name="x", timeout=3600).open()


def test_a_worker_that_takes_its_time_before_it_answers_is_waited_for():
    code = textwrap.dedent("""
        import sys, time
        from rankkit.serving.pipe import main
        import rankkit

        class Slow:
            def rank(self, groups):
                time.sleep(0.6)
                return [rankkit.Ranking((1.0, 2.0)) for group in groups]
        sys.modules["slowly"] = sys.modules["__main__"]
        sys.exit(main(["slowly:Slow"]))
    """)
    with Pipe([sys.executable, "-c", code], name="slow", timeout=60) as pipe:
        assert pipe.rank([GROUP])[0].scores == (1.0, 2.0)


@contextlib.contextmanager
def serving_raw(*answers):
    """Raw answers, one per connection, the last one for ever; the connections stay open."""
    kept, asked = [], []

    def run():
        with contextlib.suppress(OSError):
            while True:
                kept.append(listener.accept()[0])
                asked.append(kept[-1].recv(2**16))
                kept[-1].sendall(answers[min(len(asked), len(answers)) - 1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()


def answer(body, announced=None):
    length = len(body) if announced is None else announced
    return b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (length, body)


INFO = handshake.WorkerInfo("x", "1", {}, "pointwise", False)
GREETING = answer(json.dumps(handshake.handshake_fields(INFO)).encode())
RANKED = wire.encode_rankings([rankkit.Ranking((1.0, 2.0))])


@pytest.mark.parametrize("stalled", [
    answer(b"", 10**6), answer(RANKED, 10**6), answer(RANKED[:20], len(RANKED)),
    b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\nfew",
])  # fmt: skip
def test_a_server_whose_answer_stops_in_the_middle_is_asked_again_and_then_abstained_on(stalled):
    with serving_raw(GREETING, stalled) as (url, asked):
        (ranking,) = Http(url, timeout=3600).rank([GROUP])
        assert len(asked) == 1 + http_client.TRIES
    reason = ranking.details[0]["error"]
    assert "its answer stopped after" in reason and "nothing came for 0.3 s, 4 times" in reason
    with serving_raw(GREETING, stalled, answer(RANKED), GREETING) as (url, _):
        assert Http(url, timeout=3600).rank([GROUP])[0].scores == (1.0, 2.0)
