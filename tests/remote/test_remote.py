"""Rankers elsewhere: real processes and real sockets, well and badly behaved."""

import contextlib
import gc
import json
import math
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from web_server import serving

import rankkit
from rankkit.errors import BadOption, BrokenRanker, RankkitError, UnknownRanker, UsageError
from rankkit.registry.load import prepare
from rankkit.remote import frames, handshake, http_client, rankers, wire
from rankkit.remote.rankers import Http, Pipe
from rankkit.testing import check_ranker
from rankkit.testing.samples import sample_groups
from rankkit.version import installed_version


def group(prompt="p", n=2):
    return rankkit.Group(prompt, tuple(Image.new("RGB", (8 + i, 4), "red") for i in range(n)))


def words(*arguments):
    return [sys.executable, "-m", "rankkit.serving.pipe", *arguments]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the odd rankers, from which the workers are started."""
    shutil.copy(Path(__file__).parents[1] / "helpers" / "odd_rankers.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextlib.contextmanager
def odd(ranker="Whole", **options):
    with contextlib.closing(Pipe(words(f"odd_rankers:{ranker}"), name="odd", **options)) as pipe:
        yield pipe


def fake(code):
    """The command of a worker that is none of ours: it runs this code."""
    return [sys.executable, "-c", textwrap.dedent(code)]


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def reasons(ranking):
    assert all(map(math.isnan, ranking.scores))
    return {found["error"] for found in ranking.details}


# --- Pipe ---


def test_a_pipe_is_what_its_worker_says_it_is(here):
    with Pipe(words("odd_rankers:needy", "weight=2"), name="needy") as pipe:
        assert (pipe.kind, pipe.needs_prompt, pipe.options) == ("pointwise", True, {"weight": 2.0})
        assert pipe.version == prepare("odd_rankers:needy", local_only=True).identity.version
    with odd() as pipe:
        assert (pipe.kind, pipe.needs_prompt, pipe.version[-9:]) == ("listwise", False, "weights-7")


def test_a_ranker_elsewhere_says_who_and_where_it_is(here):
    with Pipe(words("odd_rankers:needy", "weight=2"), name="needy") as pipe:
        assert repr(pipe) == "<ranker needy, weight=2.0, pointwise, in a process of its own>"
    with serving("sharpness") as server, Http(server.url, name="sharp") as http:
        assert repr(http) == f"<ranker sharp, pointwise, at {server.url}>"


@pytest.mark.parametrize("spec", ["sharpness", "prompt-color", "sharpness*2+contrast"])
def test_scores_through_a_pipe_equal_those_in_process_to_the_bit(spec):
    with Pipe(words(spec), name="x") as pipe:
        assert wire.encode_rankings(pipe.rank(sample_groups())) == wire.encode_rankings(
            rankkit.load_here(spec).rank(sample_groups())
        )


def test_a_ranker_through_a_pipe_passes_every_check():
    with Pipe(words("colorfulness"), name="x") as pipe:
        check_ranker(pipe)


def test_the_process_is_gone_when_the_pipe_is_closed_and_comes_back_when_it_is_opened():
    pipe = Pipe(words("sharpness"), name="x").open()
    pid = pipe.pid
    assert not gone(pid)
    pipe.close()
    pipe.close()
    assert gone(pid) and pipe.pid is None
    with pytest.raises(RankkitError, match="x was closed; open it again"):
        pipe.rank([group()])
    assert len(pipe.open().rank([group()])) == 1
    pipe.close()


def test_a_pipe_that_nobody_holds_any_more_ends_its_process():
    pipe = Pipe(words("sharpness"), name="x")
    pid = pipe.pid
    del pipe
    gc.collect()
    assert gone(pid)


def test_a_program_that_ends_without_closing_leaves_no_worker_behind():
    code = (
        f"from rankkit.remote.rankers import Pipe; pipe = Pipe({words('sharpness')!r}, name='x'); "
        f"print(pipe.pid)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and gone(int(result.stdout)) and "Traceback" not in result.stderr


def test_a_fork_that_ends_does_not_take_the_worker_with_it():
    code = f"""if True:
        import os, sys, rankkit
        from PIL import Image
        from rankkit.remote.rankers import Pipe
        pipe = Pipe({words("sharpness")!r}, name='x').open()
        pid = pipe.pid
        if os.fork() == 0:
            sys.exit()
        os.wait()
        pipe.rank([rankkit.Group('', (Image.new('RGB', (1, 1)),))])
        print(pipe.pid == pid)
        """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "True\n", result.stderr


@pytest.mark.fault
def test_a_worker_that_does_not_end_by_itself_is_killed_with_what_it_started(here, monkeypatch):
    monkeypatch.setattr(rankers, "GRACE", 0.2)
    code = f"""
    import subprocess, sys, time
    child = subprocess.Popen(['sleep', '600'])
    sys.stdout.buffer.write({frame(said())!r}); sys.stdout.flush()
    print(child.pid, file=open('child', 'w'), flush=True)
    time.sleep(600)
    """
    pipe = Pipe(fake(code), name="x")
    wait_for(lambda: (here / "child").exists() and (here / "child").read_text().endswith("\n"))
    pid, child = pipe.pid, int((here / "child").read_text())
    pipe.close()
    assert gone(pid)
    wait_for(lambda: gone(child))


def wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def said(**fields):
    return handshake.encode_handshake(handshake.WorkerInfo("x", "1", {}, "pointwise", False, **fields))


def frame(data):
    reading, writing = os.pipe()
    with open(reading, "rb") as source:
        with open(writing, "wb") as sink:
            frames.write_frame(sink, data)
        return source.read()


@pytest.mark.fault
@pytest.mark.fault
def test_a_worker_that_dies_once_is_started_again_and_nothing_is_lost(here):
    with odd() as pipe:
        first = pipe.rank([group("pid", 1)])[0].scores[0]
        rankings = pipe.rank([group("a"), group(f"die-once {here / 'mark'}"), group("b")])
        assert [ranking.scores for ranking in rankings] == [(0.0, 1.0)] * 3
        assert pipe.rank([group("pid", 1)])[0].scores[0] != first


def test_a_group_at_which_it_dies_again_abstains_with_what_happened_and_the_others_do_not(here):
    with odd() as pipe:
        before, bad, after = pipe.rank([group("a"), group("die 7"), group("b")])
        assert before.scores == after.scores == (0.0, 1.0)
        assert reasons(bad) == {"odd: its worker ended with exit code 7; it last said: the last words"}
        assert bad.kind == "listwise"
        assert pipe.rank([group("c")])[0].scores == (0.0, 1.0)


@pytest.mark.fault
@pytest.mark.fault
def test_a_worker_that_only_dies_is_not_started_for_ever(here):
    with odd() as pipe:
        rankings = pipe.rank([group("die")] * 20)
        assert "that was the 5th time in a row, and it is not started again" in reasons(rankings[-1]).pop()
        assert pipe.pid is None
        assert "not started again" in reasons(pipe.rank([group("fine")])[0]).pop()
        assert pipe.open().rank([group("fine")])[0].scores == (0.0, 1.0)


def test_a_worker_that_is_killed_between_two_calls_is_not_noticed(here):
    with odd() as pipe:
        pipe.rank([group()])
        os.kill(pipe.pid, 9)
        assert pipe.rank([group()])[0].scores == (0.0, 1.0)


@pytest.mark.fault
def test_an_answer_that_does_not_come_in_time_is_not_waited_for(here):
    with odd(timeout=2) as pipe:
        pipe.rank([group()])
        bad, good = pipe.rank([group("sleep 100"), group("fine")])
        assert "did not answer within 2 s, and was ended" in reasons(bad).pop() and good.scores == (0.0, 1.0)


def test_an_exception_in_the_worker_is_a_broken_ranker_here_and_the_worker_stays(here):
    with odd() as pipe:
        pid = pipe.open().pid
        with pytest.raises(BrokenRanker) as caught:
            pipe.rank([group("raise")])
        assert str(caught.value) == "odd_rankers:Whole: ValueError: no such thing" and pipe.pid == pid


def test_a_ranker_that_cannot_be_built_is_said_when_it_is_opened(here):
    with odd("Unbuildable") as pipe:
        for ask in (pipe.open, lambda: pipe.rank([group()])):
            with pytest.raises(BrokenRanker, match="FileNotFoundError: no checkpoint at /nowhere"):
                ask()


def test_ctrl_c_in_the_middle_of_a_ranking_ends_the_worker(here):
    code = f"""if True:
        import signal, threading, os, rankkit
        from PIL import Image
        from rankkit.remote.rankers import Pipe
        pipe = Pipe({words("odd_rankers:Whole")!r}, name='x').open()
        print(pipe.pid, flush=True)
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            pipe.rank([rankkit.Group('sleep 600', (Image.new('RGB', (1, 1)),))])
        except KeyboardInterrupt:
            print(pipe.pid)
        """
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    pid, after = result.stdout.split()
    assert gone(int(pid)) and after == "None", result.stderr


@pytest.mark.fault
def test_a_worker_whose_parent_is_killed_ends(here):
    code = (
        f"from rankkit.remote.rankers import Pipe; pipe = Pipe({words('sharpness')!r}, name='x'); "
        f"print(pipe.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        pid = int(process.stdout.readline())
        process.kill()
    wait_for(lambda: gone(pid))


@pytest.mark.fault
@pytest.mark.parametrize(
    "command",
    [["/nowhere/bin/python", "-m", "rankkit.serving.pipe", "hpsv3-official"], ["no-such-program"], ["/tmp"]],
)
def test_an_environment_that_is_gone_is_one_clear_message_with_the_next_step(command):
    with pytest.raises(BrokenRanker) as caught:
        Pipe(command, name="hpsv3-official")
    assert f"cannot be started, {command[0]}: " in str(caught.value)
    assert "rankkit install hpsv3-official" in str(caught.value) and "\n" not in str(caught.value)


def test_an_environment_deleted_while_it_is_used_makes_the_groups_abstain_with_that_message(tmp_path):
    launcher = tmp_path / "launch"
    launcher.write_text(f"#!/bin/sh\nexec {sys.executable} -m rankkit.serving.pipe sharpness\n")
    launcher.chmod(0o755)
    with Pipe([str(launcher)], name="gone-official") as pipe:
        launcher.unlink()
        os.kill(pipe.pid, 9)
        (ranking,) = pipe.rank([group()])
    assert (
        "cannot be started" in (reason := reasons(ranking).pop())
        and "rankkit install gone-official" in reason
    )


OTHER = {
    "of another wire": (
        said(protocol=9),
        r"wire version 9.*install versions that agree: rankkit install x --force makes",
    ),
    "that combines scores otherwise": (
        said(rankkit="9.0", aggregation=9),
        rf"runs rankkit 9\.0 .*aggregation 9.*this is rankkit {installed_version()}.*install versions that "
        rf"agree",
    ),
}


def test_a_worker_of_another_release_with_the_same_wire_ranks_and_is_reported():
    code = (
        f"import sys; sys.stdout.buffer.write({frame(said(rankkit='0.0.1'))!r}); sys.stdout.flush(); "
        f"sys.stdin.read()"
    )
    with pytest.warns(UserWarning, match=r"x runs rankkit 0\.0\.1"):
        pipe = Pipe(fake(code), name="x")
    assert pipe.info.rankkit == "0.0.1"
    pipe.close()


@pytest.mark.fault
@pytest.mark.parametrize("case", OTHER)
def test_a_worker_of_another_version_is_one_clear_message(case):
    data, says = OTHER[case]
    with pytest.raises(BrokenRanker, match=says):
        Pipe(
            fake(
                f"import sys; sys.stdout.buffer.write({frame(data)!r}); sys.stdout.flush(); sys.stdin.read()"
            ),
            name="x",
        )


NO_WORKERS = {
    "another wire": (
        f"print(end='RKfr\\x02' + {'x' * 8!r}, flush=True); input()",
        "the other side speaks wire version 2, this one 1.*rankkit install x --force makes",
    ),
    "a greeting": (
        "print('WorkerInfo there, world', flush=True); input()",
        "this is no frame of rankkit, it begins with b'WorkerInfo",
    ),
    "nothing": ("pass", "ended with exit code 0; it said nothing"),
    "a traceback": (
        "import no_such_module",
        "ended with exit code 1; it last said: .*No module named 'no_such_module'",
    ),
    "a signal": ("import os; os.kill(os.getpid(), 9)", r"was killed by SIGKILL \(out of memory\?\)"),
    "silence": ("import time; time.sleep(600)", "did not complete the handshake within 1 s, and was ended"),
    "half a frame": ("print(end='RKfr', flush=True)", "cut off after 4 bytes"),
}


@pytest.mark.parametrize("case", NO_WORKERS)
def test_a_command_that_is_no_worker_is_one_clear_message(case):
    code, says = NO_WORKERS[case]
    with pytest.raises(BrokenRanker, match=f"^x: its worker .*{says}") as caught:
        Pipe(fake(code), name="x", start_timeout=1 if case == "silence" else 30)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments, error", [(["sharpnes"], UnknownRanker), (["sharpness", "level=1"], BadOption)]
)
def test_what_the_worker_cannot_find_is_the_same_error_as_here(arguments, error):
    with pytest.raises(error):
        Pipe(words(*arguments), name="x")


@pytest.mark.fault
@pytest.mark.parametrize("command", ["python -m rankkit.serving.pipe x", [], ["python", 3]])
def test_a_command_is_a_list_of_words(command):
    with pytest.raises(UsageError, match="x: a command is a list of words"):
        Pipe(command, name="x")


def test_what_a_worker_printed_is_shown_as_a_terminal_can_show_it():
    code = "import sys; sys.stderr.write('\\x1b[31mno memory\\x07 left'); sys.exit(2)"
    with pytest.raises(BrokenRanker, match="no memory") as caught:
        Pipe(fake(code), name="x")
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="children are not followed here")
def test_a_worker_that_ends_is_noticed_though_what_it_started_holds_its_pipe():
    code = f"""
    import os, subprocess, sys
    subprocess.Popen(["sleep", "60"])
    sys.stdout.buffer.write({frame(said())!r}); sys.stdout.flush()
    sys.stdin.buffer.read(1)
    os._exit(3)
    """
    pipe = Pipe(fake(code), name="x", timeout=30)
    with pytest.raises(BrokenRanker, match="^x: its worker ended with exit code 3"):
        pipe.open()


def test_a_worker_that_prints_without_end_does_not_block_and_little_of_it_is_kept():
    code = f"""
    import sys
    sys.stdout.buffer.write({frame(said())!r}); sys.stdout.flush()
    sys.stderr.write('x' * 10**6 + '\\r90%\\nthe end\\n'); sys.stderr.flush()
    sys.exit(9)
    """
    pipe = Pipe(fake(code), name="x")
    with pytest.raises(
        BrokenRanker, match=r"ended with exit code 9; it last said: x+ \| 90% \| the end$"
    ) as caught:
        pipe.open()
    assert len(str(caught.value)) < 1000


def test_an_answer_that_does_not_fit_the_question_is_refused():
    answer = wire.encode_rankings([rankkit.Ranking((1.0,))])
    code = f"""
    import sys
    frames = [{frame(said())!r}, {frame(wire.encode_rankings([]))!r}, {frame(answer)!r}]
    for data in frames:
        sys.stdout.buffer.write(data); sys.stdout.flush()
    sys.stdin.read()
    """
    with (
        Pipe(fake(code), name="x") as pipe,
        pytest.raises(BrokenRanker, match="^x returned 1 scores for 2 images"),
    ):
        pipe.rank([group()])


# --- Http ---


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
