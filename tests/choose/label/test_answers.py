"""The file of answers: nothing that was saved is lost, and nothing else is touched."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled import candidates, prefer_later, session

from rankkit.choose.label.answers import Answer, AnswerFile, consistency, standing
from rankkit.errors import BadSource, UsageError
from rankkit.io.preferences import open_preferences


def answer(question="q1", choice="a", **changes):
    fields = {"question": question, "choice": choice, "image_a": "a.png", "image_b": "b.png"}
    about = {"prompt": "a cat", "who": "ada", "at": "2026-01-01T00:00:00.000+00:00", "seconds": 1.5}
    shown = {"place_a": 0, "place_b": 1, "pick": "informative"}
    return Answer(**{**fields, **about, **shown, **changes})


def kept(path):
    with AnswerFile(path) as file:
        return file.answers, file.repaired


def test_what_was_saved_is_read_again_whatever_the_names(tmp_path):
    path = tmp_path / "labels.jsonl"
    odd = [
        answer("q1", image_a="new\nline.png", image_b=os.fsdecode(b"not utf-8 \xff.png"), who="Zoë\n"),
        answer("q2", "tie", prompt="", seconds=None),
        answer("q3", "undo", undoes="q2"),
    ]
    with AnswerFile(path) as file:
        file.append(odd[:1])
        file.append(odd[1:])
    assert kept(path) == (odd, "") and len(path.read_bytes().splitlines()) == 3


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(min_value=1), count=st.integers(min_value=1, max_value=3))
def test_wherever_a_kill_cuts_the_last_line_all_before_it_stay(tmp_path_factory, cut, count):
    path = tmp_path_factory.mktemp("cut") / "labels.jsonl"
    written = [answer(f"q{i}") for i in range(count)]
    with AnswerFile(path) as file:
        file.append(written)
    data = path.read_bytes()
    last = len(data.splitlines(keepends=True)[-1])
    path.write_bytes(data[: len(data) - 1 - cut % last])
    complete = cut % last == 0  # only the line break is missing
    answers, repaired = kept(path)
    assert answers == (written if complete else written[:-1])
    assert bool(repaired) == (not complete and cut % last != last - 1)
    with AnswerFile(path) as file:
        file.append([answer("next")])
    assert kept(path) == ([*answers, answer("next")], "")


@pytest.mark.parametrize(
    "content",
    [
        b'{"prompt": "mine"}\n',
        b"my notes",
        b'{"prompt": "mine"}',
        b"[]\n",
        b'{"question": "q"}\n',
        b"\xff\xfe\n",
        b'{"question": "q", "prompt": "p", "image_a": 3}\n',
    ],
)
def test_a_file_of_anything_else_is_refused_and_stays_as_it_is(tmp_path, content):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadSource, match=r"line 1 is no answer of rankkit label .*give another file with -o"):
        AnswerFile(path)
    assert path.read_bytes() == content


def test_a_target_that_cannot_be_written_is_refused_in_words(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    for name, words in [
        ("no/labels.jsonl", "No such file"),
        ("folder.jsonl", "directory"),
        ("l.csv", "jsonl"),
    ]:
        with pytest.raises(UsageError, match=words):
            AnswerFile(tmp_path / name)


def test_two_people_cannot_write_to_one_file_at_a_time(tmp_path):
    path = tmp_path / "labels.jsonl"
    code = f"from rankkit.choose.label.answers import AnswerFile; AnswerFile({str(path)!r})"
    with AnswerFile(path) as file:
        file.append([answer()])
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "is in use by another rankkit label" in done.stderr
    assert kept(path) == ([answer()], "")


@pytest.mark.fault
def test_a_disk_that_is_full_loses_nothing_and_says_so(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "labels.jsonl"
    with AnswerFile(path) as file:
        file.append([answer()])
        size = path.stat().st_size
        code = (
            "import resource, signal; from rankkit.choose.label.answers import *\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 10}, {size + 10}))\n"
            f"file = AnswerFile({str(path)!r})\n"
            "try: file.append(file.answers)\nexcept Exception as error: print(error)"
        )
        assert resource
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "the answer could not be saved (File too large)" in done.stdout, done.stderr
    assert path.stat().st_size == size


def test_a_file_without_answers_does_not_stay(tmp_path):
    AnswerFile(tmp_path / "labels.jsonl").close()
    assert not list(tmp_path.iterdir())


def test_an_answer_taken_back_does_not_count_and_nor_does_its_repetition_then():
    first, again = answer("q1"), answer("q2", "b", repeats="q1")
    assert consistency([first, again]) == (0, 1)
    assert consistency([first, answer("q2", repeats="q1")]) == (1, 1)
    back = answer("q3", "undo", undoes="q1")
    assert standing([first, again, back]) == [again] and consistency([first, again, back]) == (0, 0)


def test_labels_are_read_as_preferences_without_what_was_skipped_or_taken_back(tmp_path):
    path = tmp_path / "labels.jsonl"
    with AnswerFile(path) as file:
        file.append([answer("q1", "a"), answer("q2", "skip"), answer("q3", "b"), answer("q4", "tie")])
        file.append([answer("q5", "undo", undoes="q3"), answer("q6", "b")])
    read = open_preferences(path)
    entries = list(read.entries())
    assert read.format.name == "rankkit label"
    assert [list(entry.decided()) for entry in entries] == [[(0, 1)], [], [], [(1, 0)]]
    assert [entry.ties() for entry in entries] == [0, 0, 1, 0]
    assert [entry.where for entry in entries] == ["line 1", "line 2", "line 4", "line 6"]


def test_four_images_give_an_answer_per_decided_pair_and_are_taken_back_at_once(tmp_path):
    work = session(tmp_path / "labels.jsonl", candidates(5), four=True)
    prefer_later(work)
    given = work.file.answers
    assert len(given) == 3 and len({each.question for each in given}) == 1
    assert all(each.image_b > each.image_a and each.choice == "b" for each in given)
    assert work.progress().questions == 1 and work.undo() and work.progress().questions == 0
    assert standing(work.file.answers) == [] and len(work.file.answers) == 4
    assert list(open_preferences(work.file.path).entries()) == []
