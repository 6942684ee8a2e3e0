"""A ranker behind HTTP: real sockets on loopback, and the command in a real process."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from web_server import request, serving

import rankkit
from rankkit.errors import BrokenRanker, UsageError
from rankkit.registry.load import prepare
from rankkit.remote import handshake, wire
from rankkit.serving import middleware
from rankkit.serving.http import Server
from rankkit.testing.samples import sample_groups

POST = b"POST /rank HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(middleware, "LINGER", 0.1)


def raw(server, data):
    """What the server answers to these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(2**16):
            answer += piece
        return answer


def groups():
    return [rankkit.Group("p", (Image.new("RGB", (8, 4), "red"), Image.new("RGB", (9, 4), "blue")))]


def test_get_answers_name_version_options_and_kind():
    with serving("compressibility:quality=80") as server:
        status, body = request(server, "GET", "/")
    said = json.loads(body)
    assert status == 200
    assert (said["name"], said["options"], said["kind"], said["protocol"]) == (
        "compressibility",
        {"quality": 80},
        "pointwise",
        wire.VERSION,
    )
    assert said["version"] and said["needs_prompt"] is False and said["limit"] == server.limit


def test_scores_over_http_equal_those_made_in_process_to_the_bit():
    with serving() as server:
        status, body = request(server, "POST", "/rank", wire.encode_groups(sample_groups()))
    assert status == 200
    assert body == wire.encode_rankings(rankkit.load_here("sharpness").rank(sample_groups()))


def test_every_request_must_bear_the_token():
    with serving(token="secret") as server:
        for headers in (
            {},
            {"Authorization": "secret"},
            {"Authorization": "Bearer secre"},
            {"Authorization": "Bearer secret\xe9"},
        ):
            for method, path in (("GET", "/"), ("POST", "/rank"), ("GET", "/etc/passwd")):
                status, body = request(server, method, path, wire.encode_groups(groups()), **headers)
                assert status == 401 and b"token" in body and b"secret" not in body
        good = {"Authorization": "Bearer secret"}
        assert request(server, "GET", "/", **good)[0] == 200
        assert request(server, "POST", "/rank", wire.encode_groups(groups()), **good)[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
def test_an_address_that_others_can_reach_needs_a_token(host):
    with pytest.raises(UsageError, match="can be reached from other machines; give --token-file"):
        Server(prepare("sharpness", local_only=True), host)


@pytest.mark.parametrize("token", ["", " \n", "two words", "é", "a\nb"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token):
    with pytest.raises(UsageError, match="a token is one word"):
        Server(prepare("sharpness", local_only=True), token=token)


def test_a_port_that_is_taken_is_one_clear_error():
    with (
        serving() as server,
        pytest.raises(UsageError, match=rf"port {server.port} cannot be had: .*give another --port"),
    ):
        Server(prepare("sharpness", local_only=True), port=server.port)


def test_a_body_over_the_limit_is_refused_before_it_is_read():
    with serving(limit=1000) as server:
        assert request(server, "POST", "/rank", bytes(1001))[0] == 413
        for length in (b"1001", b"9" * 18, b"9" * 4000):
            answer = raw(server, POST + b"Content-Length: " + length + b"\r\n\r\n")
            assert answer.split()[1] in (b"413", b"400") and b"error" in answer


def test_a_body_without_a_length_is_refused():
    with serving() as server:
        for header in (
            b"",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: 1e3\r\n",
        ):
            assert raw(server, POST + header + b"\r\n").split()[1] in (
                b"400",
                b"411",
            )


def test_bytes_that_are_no_groups_are_refused_and_nothing_is_executed(tmp_path):
    bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "owned").encode() + b"'\ntR."
    with serving() as server:
        for body in (bomb, b"", b"{}", wire.encode_groups(groups())[:-1]):
            status, answer = request(server, "POST", "/rank", body)
            assert status == 400 and "error" in json.loads(answer)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/rank", 405),
        ("POST", "/", 405),
        ("PUT", "/", 405),
        ("GET", "/../x", 404),
        ("GET", "/rank/", 404),
    ],
)
def test_other_doors_do_not_exist(method, path, status):
    with serving() as server:
        answered, body = request(server, method, path, b"")
        assert answered == status and path in json.loads(body)["error"]


def test_a_connection_on_which_nothing_moves_is_closed():
    with serving(silence=0.3) as server:
        assert raw(server, b"") == b""
        assert raw(server, POST + b"Content-Length: 100\r\n\r\nfew").split()[1] == b"408"


def test_a_body_that_trickles_in_is_not_waited_for():
    with (
        serving(silence=0.4) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
    ):
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n")
        for _ in range(8):
            time.sleep(0.1)
            connection.sendall(b"x")
            connection.settimeout(0.01)
            try:
                answer = connection.recv(100)
                break
            except TimeoutError:
                connection.settimeout(30)
        else:
            answer = connection.recv(100)
        assert answer.split()[1] == b"408"


class Alone:
    """Raises where two of its rankings overlap."""

    kind = "listwise"
    busy = False

    def rank(self, groups):
        assert not Alone.busy, "two at a time"
        Alone.busy = True
        time.sleep(0.05)
        Alone.busy = False
        if groups[0].prompt == "raise":
            raise ValueError("no\nsuch thing")
        return [rankkit.Ranking((0.0,) * len(group.images)) for group in groups]


def test_one_ranking_is_made_at_a_time():
    answers = []
    with serving(f"{__name__}:Alone") as server:
        body = wire.encode_groups(groups())
        threads = [
            threading.Thread(target=lambda: answers.append(request(server, "POST", "/rank", body)[0]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert answers == [200] * 8


def test_an_exception_of_the_ranker_is_one_line_that_names_it_and_the_server_goes_on():
    with serving(f"{__name__}:Alone") as server:
        status, body = request(
            server, "POST", "/rank", wire.encode_groups([rankkit.Group("raise", groups()[0].images)])
        )
        assert (
            status == 422 and str(handshake.as_error(body)) == f"{__name__}:Alone: ValueError: no such thing"
        )
        assert request(server, "POST", "/rank", wire.encode_groups(groups()))[0] == 200


def test_a_ranker_that_cannot_be_built_is_never_served(tmp_path, monkeypatch):
    shutil.copy(Path(__file__).parents[1] / "helpers" / "odd_rankers.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BrokenRanker, match="no checkpoint"):
        Server(prepare("odd_rankers:Unbuildable", local_only=True))


def test_a_client_that_goes_away_leaves_no_traceback(capfd):
    with serving() as server:
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(POST + b"Content-Length: 1000\r\n\r\nfew")
        assert request(server, "GET", "/")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


def test_the_command_says_its_address_and_ctrl_c_ends_it_cleanly(tmp_path):
    (tmp_path / "token").write_text("hush\n")
    command = [
        sys.executable,
        "-m",
        "rankkit",
        "serve",
        "sharpness",
        "--port",
        "0",
        "--token-file",
        tmp_path / "token",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stderr.readline()
            url = first.split(" at ")[1].split(";")[0]
            assert first.startswith("sharpness is served at http://127.0.0.1:")
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
            connection.request("GET", "/", headers={"Authorization": "Bearer hush"})
            assert json.loads(connection.getresponse().read())["name"] == "sharpness"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0 and process.stderr.read() == "stopped\n"
        finally:
            process.kill()


@pytest.mark.parametrize(
    "options, says",
    [
        (["--host", "0.0.0.0"], "give --token-file"),
        (["--token-env", "RANKKIT_TEST_UNSET"], "RANKKIT_TEST_UNSET"),
        (["--token-file", "/nowhere/token"], ("/nowhere/token cannot be read")),
        (["--host", "no such host"], "is no address"),
    ],
)
def test_a_server_that_cannot_be_safe_or_found_is_refused_with_exit_code_2(options, says):
    command = [sys.executable, "-m", "rankkit", "serve", "sharpness", "--port", "0", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))
    assert result.returncode == 2 and says in result.stderr and "Traceback" not in result.stderr
