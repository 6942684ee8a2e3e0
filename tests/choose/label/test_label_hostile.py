"""Clients that mean harm at the page of `rankkit label`: as `rankkit serve` has them, and its own."""

import contextlib
import http.client
import json
import os
import socket
import threading

import pytest
from hostile_requests import LENGTHS, said_to
from score_runs import bomb, folder, save_image

from rankkit.choose.label import app as pages
from rankkit.choose.label.answers import AnswerFile
from rankkit.choose.label.app import Page
from rankkit.choose.label.candidates import candidates
from rankkit.choose.label.session import Session
from rankkit.io.prompts import survey
from rankkit.serving import local, middleware
from rankkit.serving.local import LocalServer

pytestmark = pytest.mark.fault
TOKEN = "a-token"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(middleware, "LINGER", 0.1)
    monkeypatch.setattr(local, "SILENCE", 1.0)
    monkeypatch.setattr(pages, "PATIENCE", 0.5)


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The page for a folder of four images, at a port of loopback."""
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "pics", "abcd", "a cat")
    with at_work("pics") as found:
        yield found


@contextlib.contextmanager
def at_work(*paths):
    said = []
    with AnswerFile("labels.jsonl") as file:
        session = Session(candidates(survey(paths), "labels.jsonl"), file, "ada")
        page = Page(session, TOKEN, said.append)
        with LocalServer(page.application(), "label") as server:
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            try:
                yield Work(int(server.url.rpartition(":")[2]), session, said)
            finally:
                server.stop()
                thread.join(30)


class Work:
    def __init__(self, port, session, said):
        self.port, self.session, self.said = port, session, said

    def ask(self, path, body=None, **headers):
        """Status and content of an answer below the token, or at a path that begins with a slash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        full = path if path.startswith("/") else f"/{TOKEN}/{path}"
        try:
            connection.request("GET" if body is None else "POST", full, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def question(self):
        return json.loads(self.ask("state")[1])["question"]

    def unharmed(self):
        status, state = self.ask("state")
        return status == 200 and json.loads(state)["questions"] == 0 and os.path.getsize("labels.jsonl") == 0


HEAD = f"POST /{TOKEN}/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
HIDDEN = f"GET /{TOKEN}/state HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_request_with_two_lengths_or_a_doubtful_one_is_refused_and_the_connection_ends(work, lengths):
    answer = said_to(work.port, HEAD + lengths + b"\r\n0\r\n\r\n" + HIDDEN)
    assert answer.split()[1][:1] == b"4" and answer.count(b"HTTP/1.1") == 1, answer
    assert work.unharmed()


@pytest.mark.parametrize("line", [
    b"GET http://evil.example/a-token/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nHost: localhost.evil.example\r\nConnection: close\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nHost: localhost@evil.example\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"A" * 200_000,
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /a-token/state HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    b"TRACE /a-token/state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
])  # fmt: skip
def test_what_is_no_request_to_this_page_is_refused_or_hung_up_on(work, line):
    answer = said_to(work.port, line)
    assert answer == b"" or answer.split()[1][:1] == b"4", answer[:200]
    assert work.unharmed()


@pytest.mark.parametrize("origin", [
    "http://evil.example", "null", "http://localhost:1", "https://127.0.0.1", "http://127.0.0.1.evil.example",
    "file://", "http://[", "http://127.0.0.1:80@evil.example",
])  # fmt: skip
def test_a_page_from_elsewhere_can_neither_read_nor_answer(work, origin):
    body = json.dumps({"question": work.question()["id"], "choice": 0})
    assert work.ask("state", Origin=origin)[0] == 403
    assert work.ask("answer", body, Origin=origin)[0] == 403
    assert work.ask("answer", body, Sec_Fetch_Site="same-site")[0] == 403
    assert work.ask("answer", body, content_type="text/plain")[0] == 400, "what a form of any site can send"
    assert work.unharmed()


@pytest.mark.parametrize("place", [
    "image/{}/2", "image/{}/-1", "image/{}/" + "9" * 5000, "image/{}/0x0", "image/{}/0/", "image//0",
    "image/x/0", "image/{}/../../pics/a.png", "image/%2e%2e/0", "image/..%2f..%2flabels/0", "image/{}/0%00",
    "../labels.jsonl", "..%2flabels.jsonl", "%2e%2e%2flabels.jsonl", "page.html", "../app.py", "%ff",
    "..%5c..%5clabels.jsonl", "/etc/passwd", "//etc/passwd", "/a-token/%2fetc%2fpasswd", "page.js%00",
])  # fmt: skip
def test_no_path_leads_to_anything_but_the_images_that_are_shown(work, place):
    secret = b"what lies beside the images"
    open("labels.jsonl.txt", "wb").write(secret)
    status, content = work.ask(place.replace("{}", work.question()["id"]))
    assert status in (404, 410, 400), content[:200]
    assert secret not in content and b"root:" not in content and b"import" not in content
    assert work.unharmed()


DEEP = "[" * 900 + "]" * 900


@pytest.mark.parametrize("body", [
    '{"question": DEEP, "choice": 0}',
    '{"question": "ID", "choice": DEEP}',
    '{"question": "ID", "choice": %s}' % ("9" * 4000),
    '{"question": "ID", "choice": "%s"}' % ("x" * 9000),
    '{"question": "ID", "choice": "\\ud800"}',
    '{"question": "ID", "choice": true}',
    '{"question": "ID", "choice": 0.0}',
    '{"question": "ID", "choice": null}',
    '{"question": "ID", "choice": NaN}',
    '{"question": "ID", "choice": -1}',
    '{"question": "ID", "choice": {"a": 1}}',
    '{"question": ["ID"], "choice": 0}',
    '{"question": {"id": "ID"}, "choice": 0}',
    '[' * 9000,
    '{"a":' * 1900,
    '"ID"',
    "\x00",
    "\ud800",
])  # fmt: skip
def test_a_hostile_answer_is_refused_in_few_words_and_nothing_is_saved(work, body):
    body = body.replace("DEEP", DEEP).replace("ID", work.question()["id"]).encode("utf-8", "surrogatepass")
    status, content = work.ask("answer", body)
    said = json.loads(content)
    assert status == 400 or (status == 200 and said["late"]), content[:300]
    assert len(said.get("error", "")) < 300
    assert work.unharmed()


@pytest.mark.parametrize("seconds", ["1e999", "-1", "9" * 4000, "NaN", '"soon"', "true", "[]", DEEP, "null"])
def test_seconds_that_cannot_be_do_not_cost_the_answer(work, seconds):
    about = f'"question": "{work.question()["id"]}", "choice": 0'
    body = f'{{{about}, "seconds": {seconds}}}'
    status, content = work.ask("answer", body.encode())
    assert status == 200, content[:300]
    (saved,) = work.session.file.answers
    assert saved.seconds is None


def test_an_answer_too_long_is_refused_before_it_is_read_whole(work):
    def endless():
        for _ in range(10_000):
            yield b'{"question": "' + b"x" * 10_000

    with contextlib.suppress(ConnectionError):
        assert work.ask("answer", endless(), Transfer_Encoding="chunked")[0] in (411, 413)
        assert work.ask("answer", endless(), Content_Length="100000000")[0] == 413
    assert work.unharmed()


def test_a_body_that_never_comes_is_given_up_and_slow_clients_keep_nobody_waiting(work):
    slow = [socket.create_connection(("127.0.0.1", work.port), timeout=30) for _ in range(100)]
    for connection in slow:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    assert work.unharmed()
    answers = {connection.recv(2**16).split()[1] for connection in slow}
    assert answers == {b"408"}
    for connection in slow:
        connection.close()


def test_a_body_that_drips_is_given_up_after_the_time_for_the_whole_of_it(work):
    with socket.create_connection(("127.0.0.1", work.port), timeout=0.05) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        answer = b""
        for _ in range(400):
            with contextlib.suppress(TimeoutError, ConnectionError):
                connection.sendall(b" ")
                answer = answer or connection.recv(2**16)
            if answer:
                break
        assert answer.split()[1] == b"408"
    assert work.unharmed()


def test_a_bomb_among_the_images_is_not_shown_and_the_others_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pics").mkdir()
    for name in "ab":
        bomb(tmp_path / "pics" / f"{name}.png")
    save_image(tmp_path / "pics" / "c.png", 1)
    save_image(tmp_path / "pics" / "d.png", 2)
    with at_work("pics") as work:
        question = work.question()
        assert [work.ask(image)[0] for image in question["images"]] == [200, 200]
        assert all("pics/c" not in line for line in work.said)


def test_answers_at_the_same_moment_are_saved_once(work):
    body = json.dumps({"question": work.question()["id"], "choice": 0})
    late = []

    def answer():
        late.append(json.loads(work.ask("answer", body)[1])["late"])

    threads = [threading.Thread(target=answer) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(late) == [False, *[True] * 11] and len(work.session.file.answers) == 1
