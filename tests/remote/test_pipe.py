"""Rankers in a process of their own: real ones, from the handshake to what a worker says when it dies."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import odd_rankers
import pytest
from piped import fake, frame, greeting, group, odd, reasons, words
from score_runs import wait_for
from web_server import serving

import rankkit
from rankkit.errors import BrokenRanker, RankkitError
from rankkit.registry.load import prepare
from rankkit.remote import rankers, wire
from rankkit.remote.rankers import Http, Pipe
from rankkit.testing import check_ranker
from rankkit.testing.samples import sample_groups


@pytest.fixture
def here(here):
    """A folder with the odd rankers, from which the workers are started."""
    shutil.copy(odd_rankers.__file__, here)
    return here


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


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
    sys.stdout.buffer.write({frame(greeting())!r}); sys.stdout.flush()
    print(child.pid, file=open('child', 'w'), flush=True)
    time.sleep(600)
    """
    pipe = Pipe(fake(code), name="x")
    wait_for(lambda: (here / "child").exists() and (here / "child").read_text().endswith("\n"))
    pid, child = pipe.pid, int((here / "child").read_text())
    pipe.close()
    assert gone(pid)
    wait_for(lambda: gone(child))


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
