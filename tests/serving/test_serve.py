"""The worker side of a pipe: a real process, spoken to in frames."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

import rankkit
from rankkit.core.calling import check_rankings
from rankkit.errors import BadOption, BrokenRanker, RankkitError, UnknownRanker, UsageError
from rankkit.registry.spec import parse, with_options
from rankkit.remote import frames, handshake, wire
from rankkit.testing.samples import sample_groups
from rankkit.version import installed_version

LIMIT = 2**24


@pytest.fixture
def folder(tmp_path):
    shutil.copy(Path(__file__).parents[1] / "helpers" / "odd_rankers.py", tmp_path)
    return tmp_path


@contextmanager
def worker(*arguments, cwd=None, **environment):
    command = [sys.executable, "-m", "rankkit.serving.pipe", *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def receive(process):
    return frames.read_frame(process.stdout, limit=LIMIT)


def ask(process, groups):
    frames.write_frame(process.stdin, wire.encode_groups(groups))
    return handshake.decode_reply(receive(process))


def group(prompt="p", n=2):
    return rankkit.Group(prompt, tuple(Image.new("RGB", (8 + i, 4), "red") for i in range(n)))


def test_a_worker_says_who_it_is_before_it_is_asked(folder):
    with worker("odd_rankers:needy:weight=2", cwd=folder) as process:
        said = handshake.decode_handshake(receive(process), "needy")
    assert (said.name, said.options, said.kind, said.needs_prompt) == (
        "odd_rankers:needy",
        {"weight": 2.0},
        "pointwise",
        True,
    )
    assert said.version.startswith("source:") and (said.protocol, said.rankkit) == (
        wire.VERSION,
        installed_version(),
    )


def test_scores_equal_those_made_in_process_to_the_bit():
    groups = sample_groups()
    with worker("sharpness") as process:
        receive(process)
        assert wire.encode_rankings(ask(process, groups)) == wire.encode_rankings(
            rankkit.load_here("sharpness").rank(groups)
        )


def test_a_panel_can_be_served():
    groups = sample_groups()
    with worker("sharpness*2+contrast") as process:
        assert handshake.decode_handshake(receive(process), "panel").kind == "listwise"
        assert wire.encode_rankings(ask(process, groups)) == wire.encode_rankings(
            rankkit.load_here("sharpness*2+contrast").rank(groups)
        )


def test_whatever_prints_or_asks_in_a_worker_does_not_touch_the_wire(folder):
    with worker("odd_rankers:noisy", cwd=folder, RANKKIT_TEST_LOUD="1") as process:
        receive(process)
        assert [ranking.scores for ranking in ask(process, [group(), group(n=1)])] == [(8.0, 9.0), (8.0,)]
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        said = process.stderr.read().decode()
    for line in (
        "a library prints at import",
        "Loading checkpoint shards",
        "from a subprocess",
        "from C",
        "Trust this code?",
    ):
        assert line in said


def test_a_worker_ends_when_its_stdin_closes():
    with worker("sharpness") as process:
        receive(process)
        process.stdin.close()
        assert process.wait(timeout=60) == 0 and receive(process) is None


def test_the_ranker_is_built_when_the_first_frame_comes_even_an_empty_one(folder):
    with worker("odd_rankers:Unbuildable:checkpoint=/w.pt", cwd=folder) as process:
        assert handshake.decode_handshake(receive(process), "x").kind == "pointwise"
        with pytest.raises(
            BrokenRanker,
            match=r"^odd_rankers:Unbuildable:.* cannot be built: FileNotFoundError: no checkpoint at /w\.pt$",
        ):
            ask(process, [])


def test_an_exception_goes_home_as_one_line_that_names_the_ranker_and_the_worker_goes_on(folder):
    with worker("odd_rankers:Whole", cwd=folder) as process:
        receive(process)
        for prompt, said in (
            ("raise", "odd_rankers:Whole: ValueError: no such thing"),
            ("exit", "odd_rankers:Whole: it tried to end the program (SystemExit: 3)"),
        ):
            with pytest.raises(BrokenRanker) as caught:
                ask(process, [group(prompt)])
            assert str(caught.value) == said
        assert ask(process, [group("fine")])[0].scores == (0.0, 1.0)


def test_a_ranker_that_forgets_a_group_is_an_error(folder):
    with worker("odd_rankers:Short", cwd=folder) as process:
        receive(process)
        with pytest.raises(BrokenRanker, match="odd_rankers:Short returned 0 rankings for 1 groups"):
            ask(process, [group()])


@pytest.mark.parametrize("returned, says", [
    ([], "x returned 0 rankings for 1 groups"), ([3], r"x returned \[3\], not a list of Ranking"),
    ([rankkit.Ranking((1.0, 2.0, 3.0))], "x returned 3 scores for 2 images"),
])  # fmt: skip
def test_what_does_not_fit_the_question_is_said_in_one_line(returned, says):
    with pytest.raises(BrokenRanker, match=f"^{says}"):
        check_rankings(returned, [group()], "x")


@pytest.mark.parametrize("arguments, error, says", [
    (["sharpnes"], UnknownRanker, "did you mean sharpness"),
    (["odd_rankers:needy:wieght=2"], BadOption, "did you mean weight"),
    (["odd_rankers:needy", "weight=heavy"], BadOption, "weight='heavy' is not float"),
    (["http://127.0.0.1:1"], UsageError, "127.0.0.1:1"),
    (["a*2+b", "weight=1"], UsageError, "a panel takes no options"),
])  # fmt: skip
def test_what_cannot_be_found_is_said_in_place_of_the_handshake(folder, arguments, error, says):
    with worker(*arguments, cwd=folder) as process:
        with pytest.raises(error, match=says):
            handshake.decode_handshake(receive(process), "x")
        assert process.wait(timeout=60) == 1


def test_a_frame_that_is_none_ends_the_worker_and_a_message_that_is_none_does_not():
    with worker("sharpness") as process:
        receive(process)
        frames.write_frame(process.stdin, b"\x80\x04pickled")
        with pytest.raises(BrokenRanker, match="sharpness: these bytes are no groups"):
            handshake.decode_reply(receive(process))
        assert len(ask(process, [group()])) == 1
        process.stdin.write(b"GET / HTTP/1.1\r\n\r\n")
        process.stdin.flush()
        with pytest.raises(BrokenRanker, match="sharpness: this is no frame"):
            handshake.decode_reply(receive(process))
        assert process.wait(timeout=60) == 1


def test_without_a_name_a_worker_says_how_it_is_used():
    with worker() as process:
        assert (
            process.wait(timeout=60) == 2
            and b"usage: python -m rankkit.serving.pipe NAME" in process.stderr.read()
        )


@pytest.mark.parametrize("value", ["a,b", "a+b*2", 'say "hi"', "it's", "", "x=y:z", " spaced "])
def test_options_added_to_a_spec_arrive_as_they_were(value):
    (spec, weight), *rest = parse(with_options("clip:model=B-32", {"label": value}))
    assert (spec.name, spec.options, weight, rest) == ("clip", {"model": "B-32", "label": value}, None, [])


def test_a_value_with_both_kinds_of_quotes_is_refused():
    with pytest.raises(UsageError, match="both kinds of quotes"):
        with_options("clip", {"label": "\"'"})


SAID = {"name": "clip", "version": "1", "options": {}, "kind": "pointwise", "needs_prompt": False,
        "protocol": wire.VERSION, "rankkit": installed_version()}  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        None,
        [],
        1,
        "x",
        {},
        {**SAID, "kind": "best"},
        {**SAID, "kind": None},
        {**SAID, "needs_prompt": 1},
        {**SAID, "options": []},
        {**SAID, "protocol": 2},
        {**SAID, "aggregation": 9},
        {**SAID, "name": None},
        {**SAID, "name": "\x1b[31mclip"},
        {**SAID, "version": "\ud800"},
        {**SAID, "version": "x" * 10**6},
        {**SAID, "protocol": 3, "rankkit": "x\n" * 10**6},
    ],
)
def test_a_handshake_that_is_none_is_one_clear_error(fields):
    with pytest.raises(BrokenRanker, match=r"^the worker ") as caught:
        handshake.read_worker_info(json.dumps(fields).encode(), "the worker")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


def test_a_worker_that_combines_scores_otherwise_is_refused_with_both_versions():
    with pytest.raises(
        BrokenRanker,
        match=rf"runs rankkit 9\.0 .*this is rankkit {installed_version()} .*install versions that agree",
    ):
        handshake.read_worker_info(json.dumps({**SAID, "rankkit": "9.0", "aggregation": 9}).encode(), "gpu7")


@pytest.mark.parametrize(
    "data", [b"RKer", b"RKer[]", b"RKer{}", b"RKer\xff", b"RKer" + b"[" * 10**5, b"", b"RKhi"]
)
def test_an_error_that_cannot_be_read_is_an_error_too(data):
    with pytest.raises(RankkitError):
        handshake.decode_reply(data)
