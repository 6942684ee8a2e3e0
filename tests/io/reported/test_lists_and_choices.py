"""Lists of prompts and files of human choices as people bring them: read, or refused in words."""

import json
import os

import pytest
from prompt_files import put

from rankkit.errors import BadSource, UsageError
from rankkit.io.preferences import open_preferences
from rankkit.io.prompt_lists import read_prompts

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.txt", "# kohya's\na cat --n bad, ugly --w 512 --d 1\na dog --n bad\n"),
        ("p.txt", "\ufeffa cat\n\ufeffa dog\r"),
        ("p.json", '{"prompt": "a cat"}\n{"prompt": "a dog"}\n'),
        ("p.json", '{"info": {}, "data": [{"prompt": "a cat"}, {"prompt": "a dog"}]}'),
        ("p.jsonl", '[{"prompt": "a cat"},\n{"prompt": "a dog"}]'),
        ("p.csv", "Prompts,,\na cat,,\na dog,,\n"),
    ],
)
def test_lists_of_prompts_are_read_however_they_were_written(name, text):
    put({name: text})
    assert [prompt for prompt, _ in read_prompts(name)] == ["a cat", "a dog"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("p.txt", "<!DOCTYPE html>\n<html>\n", "web page"),
        ("p.txt", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "git lfs pull"),
        ("p.json", '["a", "b"] ["c"]', "more follows the end of the list"),
        ("p.jsonl", '{"prompt": "a", "prompt": "b"}\n', "two values of 'prompt'"),
        ("p.json", '{"prompt": ["a", "b"]}', "give a list"),
    ],
)
def test_what_is_no_list_of_prompts_is_refused_in_words(name, text, reason):
    put({name: text})
    with pytest.raises((BadSource, UsageError), match=reason):
        read_prompts(name)


@pytest.mark.parametrize("name", ["p.json", "p.jsonl", "p.csv", "p.parquet"])
def test_a_pipe_that_is_called_like_a_list_is_not_waited_for(name):
    os.mkfifo(name)
    with pytest.raises(BadSource, match="not a regular file"):
        read_prompts(name)


def test_what_macos_packs_is_no_list_of_prompts():
    put({"p/__MACOSX/a.txt": "junk", "p/z/a.txt": "a cat"})
    assert [prompt for prompt, _ in read_prompts("p")] == ["a cat"]


CHOICE = {"prompt": "a cat", "image_a": "a.png", "image_b": "b.png", "choice": "a"}


def test_files_of_choices_that_were_joined_are_read_and_a_list_in_a_prompt_is_its_first_text():
    put({"a.png": None, "b.png": None})
    second = {**CHOICE, "prompt": "['a dog', 'a hound']"}
    put({"p.jsonl": f"\ufeff{json.dumps(CHOICE)},\n\ufeff{json.dumps(second)},\n"})
    assert [entry.prompt for entry in open_preferences("p.jsonl").entries()] == ["a cat", "a dog"]


def test_choices_that_say_two_things_or_are_not_there_are_refused_by_name():
    twice = json.dumps(CHOICE)[:-1] + ', "choice": "b"}'
    put({"p.jsonl": twice, "p.parquet": "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n"})
    with pytest.raises(BadSource, match="two values of 'choice'"):
        list(open_preferences("p.jsonl").entries())
    with pytest.raises(BadSource, match="git lfs pull"):
        open_preferences("p.parquet")
