"""Text files beside images as public reports describe them: what is no caption is no prompt."""

import os

import pytest
from prompt_files import prompts, put, why

pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("['a cat', 'a dog']", "a cat"),
        ('["a cat"]', "a cat"),
        ("{'caption': 'a cat'}", "a cat"),
        ("\ufeff\ufeffa cat\n\ufeffa dog", "a cat"),
        ("a cat\u200b\n", "a cat"),
        ("a cat\ra dog\r", "a cat"),
        ("1girl, solo, (blue eyes:1.2)", "1girl, solo, (blue eyes:1.2)"),
        ("1984", "1984"),
        ("best, 1girl ||| smile, hat", "best, 1girl, smile, hat"),
        ("best, ||| , smile", "best, smile"),
        ("a fox --n blurry --w 512", "a fox"),
        ("a cat\nBREAK\na dog on grass\n", "a cat a dog on grass"),
    ],
)
def test_a_text_file_is_its_caption_however_a_program_wrote_it(text, prompt):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": prompt}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nan", "is empty"),
        ("a {red|green} fox", "template"),
        ("a fox, {2$$in snow|at night}", "template"),
        ("__animal__ in snow", "template"),
        ("cinematic photo {prompt} . 35mm photograph, film, bokeh", "no prompt was put"),
        ("{{ caption }}", "no prompt was put"),
        ("masterpiece, [prompt]", "no prompt was put"),
        ("None\n", "is empty"),
        ("\u200b\ufeff", "is empty"),
        ("b'a cat'", "bytes that were made text"),
        ("<!DOCTYPE html><html><title>404</title></html>", "web page"),
        ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        ("0 0.5 0.5 0.1 0.1\n1 0.2 0.3 0.1 0.1\n", "as detectors write them"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n", "git lfs pull"),
    ],
)
def test_what_is_no_caption_is_no_prompt_and_the_reason_is_said(text, reason):
    put({"d/a.png": None, "d/a.txt": text})
    assert prompts() == {"a.png": ""} and reason in why()["a.png"]


def test_a_file_that_macos_puts_into_archives_is_never_read():
    put({"d/a.png": None, "d/a.txt": "a cat", "d/._a.txt": b"\0\5\x16\7Mac OS X"})
    put({"d/__MACOSX/metadata.jsonl": '{"file_name": "a.png", "text": "wrong"}', "d/__MACOSX/a.txt": "wrong"})
    assert prompts() == {"a.png": "a cat"}


def test_names_in_another_unicode_normal_form_are_the_same_names():
    put({"d/caf\u00e9.png": None, "d/cafe\u0301.txt": "a cup"})
    assert list(prompts().values()) == ["a cup"]


def test_where_names_differ_by_case_alone_each_image_has_its_own_text():
    put({"d/a.png": None, "d/A.png": None, "d/B.png": None, "d/c.png": None, "d/C.png": None})
    if len(os.listdir("d")) < 5:
        pytest.skip("this file system does not tell the cases apart")
    put({"d/a.txt": "small", "d/A.txt": "big", "d/b.txt": "other case", "d/c.txt": "of c alone"})
    assert prompts() == {
        "A.png": "big",
        "a.png": "small",
        "B.png": "other case",
        "C.png": "",
        "c.png": "of c alone",
    }


@pytest.mark.parametrize(
    ("written", "caption"),
    [
        ("Caption: a fox", "a fox"),
        ("**Prompt:** a fox", "a fox"),
        ("### Description\nA fox", "A fox"),
        ("a fox that sits in snow\0", "a fox that sits in snow"),
        ("# a fox", "# a fox"),
    ],
)
def test_headings_labels_and_what_ends_a_text_in_c_are_no_part_of_a_caption(written, caption):
    put({"d/a.png": None, "d/a.txt": written})
    assert prompts() == {"a.png": caption}


def test_a_short_text_that_ends_in_a_zero_byte_is_refused_and_not_read_as_chinese():
    put({"d/a.png": None, "d/a.txt": "a fox\0", "d/b.png": None, "d/b.txt": "a fox".encode("utf-16-le")})
    assert prompts() == {"a.png": "", "b.png": "a fox"} and "zero byte" in why()["a.png"]
