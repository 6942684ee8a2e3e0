"""Rankers behind a server: real sockets, well and badly behaved."""

import contextlib
import json
import socket
import threading
import time

import pytest
from piped import group, reasons
from web_server import serving

import rankkit
from rankkit.errors import BrokenRanker, RankkitError, UsageError
from rankkit.remote import http_client, wire
from rankkit.remote.base import absence
from rankkit.remote.rankers import Http
from rankkit.testing import check_ranker
from rankkit.testing.samples import sample_groups
from rankkit.version import installed_version


@contextlib.contextmanager
def answering(*answers):
    """A server that gives these raw answers, one per connection, the last one for ever; yields its address
    and what was asked.
    """
    asked = []

    def run():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(2**16))
                    connection.sendall(answers[min(len(asked), len(answers)) - 1])

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=run, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def answer(status, body=b"{}"):
    return b"HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


GREETING = answer(
    200,
    json.dumps(
        {
            "name": "x",
            "version": "1",
            "options": {},
            "kind": "pointwise",
            "needs_prompt": False,
            "protocol": wire.VERSION,
            "rankkit": installed_version(),
        }
    ).encode(),
)


RANKED = answer(200, wire.encode_rankings([rankkit.Ranking((1.0, 2.0))]))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(http_client, "PAUSE", 0.01)


@pytest.mark.parametrize("spec", ["sharpness", "prompt-color", "sharpness*2+contrast"])
def test_scores_over_http_equal_those_in_process_to_the_bit(spec):
    with serving(spec) as server, Http(server.url) as ranker:
        assert wire.encode_rankings(ranker.rank(sample_groups())) == wire.encode_rankings(
            rankkit.load_here(spec).rank(sample_groups())
        )


def test_a_ranker_over_http_passes_every_check():
    with serving("prompt-color") as server, Http(server.url + "/") as ranker:
        assert (ranker.kind, ranker.needs_prompt) == ("pointwise", True)
        check_ranker(ranker)


def test_a_token_opens_the_door_and_without_it_the_next_step_is_said():
    with serving(token="hush") as server:
        assert Http(server.url, token="hush\n").rank([group()])
        for token in (None, "wrong"):
            with pytest.raises(
                BrokenRanker,
                match=r"gpu7: http://127.0.0.1:\d+ answered 401: .*give the server's token in RANKKIT_TOKEN",
            ):
                Http(server.url, token=token, name="gpu7")


@pytest.mark.parametrize(
    "status, says",
    [(401, "RANKKIT_TOKEN"), (403, "may not be used"), (404, "rankkit serve said"), (413, "--max-body")],
)
def test_what_will_not_get_better_is_said_at_once(status, says):
    with answering(GREETING, answer(status, b'{"error": "no"}')) as (url, asked):
        ranker = Http(url)
        with pytest.raises(BrokenRanker, match=f"answered {status}: no; .*{says}"):
            ranker.rank([group()])
        assert len(asked) == 2


CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfew"


@pytest.mark.parametrize(
    "bad", [answer(408), answer(429), answer(500), answer(503), b"", CUT_OFF, b"nonsense\r\n\r\n"]
)
def test_what_may_get_better_is_tried_again(quick, bad):
    with answering(GREETING, bad, bad, RANKED, GREETING) as (url, asked):
        assert Http(url).rank([group()])[0].scores == (1.0, 2.0)
        assert len(asked) == 4 + (not bad.startswith(b"HTTP/1.1 4") and not bad.startswith(b"HTTP/1.1 5"))


def test_a_server_that_is_another_after_a_restart_in_the_middle_is_not_taken_for_the_first(quick):
    other = GREETING.replace(b'"version": "1"', b'"version": "2"')
    with answering(GREETING, RANKED, b"", RANKED, other) as (url, _):
        ranker = Http(url)
        ranker.rank([group()])
        with pytest.raises(BrokenRanker, match=r"was x 1 \{\} and is x 2 \{\} now; start anew"):
            ranker.rank([group()])


BUSY = b"HTTP/1.1 429 X\r\nConnection: close\r\nRetry-After: %d\r\nContent-Length: 2\r\n\r\n{}"


def test_a_busy_server_that_says_when_to_come_again_is_asked_as_often_as_it_takes(quick):
    with answering(GREETING, *[BUSY % 0] * 12, RANKED) as (url, asked):
        assert Http(url).rank([group()])[0].scores == (1.0, 2.0)
        assert len(asked) == 14


def test_a_busy_server_is_not_waited_for_longer_than_an_answer_may_take(quick):
    with answering(GREETING, BUSY % 5) as (url, _):
        assert "answered 429" in reasons(Http(url, timeout=2).rank([group()])[0]).pop()


@pytest.mark.fault
def test_a_server_that_stays_away_makes_the_groups_abstain_after_a_few_attempts(quick):
    with answering(GREETING, answer(503, b"warming up")) as (url, asked):
        one, other = Http(url).rank([group(), group(n=3)])
        assert len(asked) == 1 + http_client.TRIES
        assert (
            reasons(one)
            == reasons(other)
            == {f"{url} answered 503: warming up, 4 times; is rankkit serve running there?"}
        )
        assert (len(one.scores), len(other.scores)) == (2, 3)


def test_where_nobody_listens_is_one_clear_message(quick):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(
        BrokenRanker,
        match=rf"^{url} cannot be reached: Connection refused, 4 times; is rankkit serve running there\?$",
    ):
        Http(url)


@pytest.mark.fault
def test_a_server_that_goes_away_and_comes_back_is_found_again(quick):
    with serving(silence=0.1) as server:
        ranker = Http(server.url)
        ranker.rank([group()])
    time.sleep(0.3)
    assert "cannot be reached" in reasons(ranker.rank([group()])[0]).pop()
    with serving(port=server.port):
        assert ranker.rank([group()])[0].scores == (0.0, 0.0)


def test_a_connection_that_the_server_closed_meanwhile_is_made_anew(quick):
    with serving(silence=0.2) as server:
        ranker = Http(server.url)
        ranker.rank([group()])
        time.sleep(0.5)
        assert ranker.rank([group()])[0].scores == (0.0, 0.0)


def test_an_answer_over_http_is_not_waited_for_without_end():
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(BrokenRanker, match=r"did not answer within 0\.3 s"),
    ):
        Http(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.3)


def test_a_server_is_not_waited_for_as_long_as_a_ranking_to_say_who_it_is(monkeypatch):
    monkeypatch.setattr(http_client, "GREETING", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(BrokenRanker, match=r"did not answer within 0\.3 s"),
    ):
        Http(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=3600)


def test_a_server_that_hangs_up_after_an_error_without_a_word_is_told_of_by_that_error(quick):
    silent = answer(503, b"warming up").replace(b"Connection: close\r\n", b"")
    with answering(GREETING, silent) as (url, asked):
        assert "answered 503: warming up" in reasons(Http(url).rank([group()])[0]).pop()
        assert len(asked) == 1 + http_client.TRIES


def test_what_a_server_says_is_one_line_that_a_terminal_shows(quick):
    odd = b'{"error": "odd \\u001b[31m \\ud800\\n words", "type": "RunStopped"}'
    with answering(GREETING, answer(422, odd)) as (url, _), pytest.raises(RankkitError) as caught:
        Http(url).rank([group()])
    assert str(caught.value).isprintable() and "words" in str(caught.value)


def test_groups_over_the_limit_of_the_server_go_one_by_one_and_a_single_one_is_refused():
    with serving(limit=1500) as server:
        ranker = Http(server.url)
        assert [ranking.scores for ranking in ranker.rank([group(n=8)] * 3)] == [(0.0,) * 8] * 3
        with pytest.raises(
            BrokenRanker, match=r"more than the 1500 that .* takes at once; serve it with a larger --max-body"
        ):
            ranker.rank([group(n=32)])


def test_redirects_are_not_followed_with_the_token():
    with answering(
        b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    ) as (url, asked):
        with pytest.raises(BrokenRanker, match="answered 302"):
            Http(url, token="hush")
        assert len(asked) == 1


@pytest.mark.parametrize("body, says", [
    ((b"<html>It "
        b"works!</html>"), ("is no rankkit worker: it says b'<html>It "
            "works!")), (b"{}", "is no rankkit worker"),
    (b'{"protocol": 9, "rankkit": "9.0"}', r"runs rankkit 9\.0 .*install versions that agree"),
])  # fmt: skip
def test_a_server_of_another_kind_or_version_is_one_clear_message(body, says):
    with (
        answering(answer(200, body)) as (url, _),
        pytest.raises(BrokenRanker, match=f"^the server at {url} {says}"),
    ):
        Http(url)


@pytest.mark.parametrize(
    "url",
    [
        "gpu7:8085",
        "ftp://gpu7",
        "http://",
        "http://gpu7:port",
        "http://gpu7:99999",
        "http://[::1",
        "http://gpu 7",
        "http://user:secret@gpu7",
        "http://secret@gpu7",
        "http://gpu7?x=secret",
        "http://gpu7#secret",
    ],
)
def test_an_address_that_is_none_is_refused_and_no_password_in_it_is_shown(url):
    with pytest.raises(UsageError, match="is no address of a server; write http://HOST:PORT") as caught:
        Http(url)
    assert "secret" not in str(caught.value)


def test_a_closed_connection_ranks_no_more():
    with serving() as server:
        with Http(server.url) as ranker:
            pass
        with pytest.raises(RankkitError, match="was closed"):
            ranker.rank([group()])


@pytest.mark.parametrize(
    "combined",
    [
        lambda there, here: rankkit.mean_rank({"there": there, "here": here}),
        rankkit.lexicographic,
        lambda there, here: rankkit.veto(here, by=there),
    ],
    ids=["mean_rank", "lexicographic", "veto"],
)
def test_a_panel_is_absent_where_the_part_that_runs_elsewhere_is(quick, combined):
    here = rankkit.load_here("contrast")
    with serving("sharpness") as server, Http(server.url) as there:
        panel = combined(there, here)
        assert absence(panel) == "" and absence(combined(here, here)) is None
    there._client.close()
    assert "cannot be reached" in absence(panel)
