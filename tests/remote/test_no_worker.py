"""A command that is no worker, or none of this wire, is one clear message with the next step."""

import os
import sys

import pytest
from piped import fake, frame, greeting, group, reasons, words

import rankkit
from rankkit.errors import BadOption, BrokenRanker, UnknownRanker, UsageError
from rankkit.remote import wire
from rankkit.remote.rankers import Pipe
from rankkit.version import installed_version


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
        greeting(protocol=9),
        r"wire version 9.*install versions that agree: rankkit install x --force makes",
    ),
    "that combines scores otherwise": (
        greeting(rankkit="9.0", aggregation=9),
        rf"runs rankkit 9\.0 .*aggregation 9.*this is rankkit {installed_version()}.*install versions that "
        rf"agree",
    ),
}


def test_a_worker_of_another_release_with_the_same_wire_ranks_and_is_reported():
    code = (
        f"import sys; sys.stdout.buffer.write({frame(greeting(rankkit='0.0.1'))!r}); sys.stdout.flush(); "
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
    sys.stdout.buffer.write({frame(greeting())!r}); sys.stdout.flush()
    sys.stdin.buffer.read(1)
    os._exit(3)
    """
    pipe = Pipe(fake(code), name="x", timeout=30)
    with pytest.raises(BrokenRanker, match="^x: its worker ended with exit code 3"):
        pipe.open()


def test_a_worker_that_prints_without_end_does_not_block_and_little_of_it_is_kept():
    code = f"""
    import sys
    sys.stdout.buffer.write({frame(greeting())!r}); sys.stdout.flush()
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
    frames = [{frame(greeting())!r}, {frame(wire.encode_rankings([]))!r}, {frame(answer)!r}]
    for data in frames:
        sys.stdout.buffer.write(data); sys.stdout.flush()
    sys.stdin.read()
    """
    with (
        Pipe(fake(code), name="x") as pipe,
        pytest.raises(BrokenRanker, match="^x returned 1 scores for 2 images"),
    ):
        pipe.rank([group()])
