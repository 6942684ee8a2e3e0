"""Tables as public reports describe them: joined, cut, exported, named twice. Right, or refused by name."""

import json
import os

import pytest
from prompt_files import look, prompts, put

from rankkit.errors import BadSource
from rankkit.io.tables import open_table

pytestmark = pytest.mark.usefixtures("here")


def rows(path):
    return [dict(record) for _, record in open_table(path).records()]


CAT, DOG = {"image": "a.png", "text": "a cat"}, {"image": "b.png", "text": "a dog"}
LINES = [json.dumps(CAT), json.dumps(DOG)]
MARK = "\ufeff"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", f"{MARK}{LINES[0]}\n{MARK}{LINES[1]}\n"),
        ("t.jsonl", f"{MARK}{MARK}{LINES[0]}\n\n{LINES[1]}"),
        ("t.jsonl", f"{LINES[0]},\r\n{LINES[1]},\r\n"),
        ("t.jsonl", f"{LINES[0]}\r{LINES[1]}\r"),
        ("t.jsonl", f"[{LINES[0]},\n{LINES[1]}]\n"),
        ("t.json", f"{LINES[0]}\n{LINES[1]}\n"),
        ("t.json", json.dumps({"info": {}, "data": [CAT, DOG]}, indent=1)),
        ("t.json", f"[{LINES[0]}, {LINES[1]},]"),
        ("t.csv", "image,text\na.png,a cat\n\ufeffimage,text\nb.png,a dog\n"),
        ("t.csv", "\n\nimage,text\na.png,a cat\n,\nb.png,a dog\n"),
        ("t.csv", "sep=;\r\nimage;text\r\na.png;a cat\r\nb.png;a dog\r\n"),
        ("t.csv", "image,text,,,\na.png,a cat,,,\nb.png,a dog,,,\n"),
        ("t.csv", ",image,text\n0,a.png,a cat\n1,b.png,a dog\n"),
        ("t.csv", '\ufeff"image","text"\r"a.png","a cat"\r"b.png","a dog"\r'),
        ("t.tsv", "image\ttext\na.png\ta cat\nb.png\ta dog\n"),
    ],
)
def test_tables_are_read_however_they_were_joined_or_exported(here, name, text):
    (here / name).write_bytes(text.encode())
    assert rows(here / name) == [CAT, DOG]


def test_letters_that_some_programs_take_for_line_breaks_are_not(here):
    odd = "a\u2028cat\x85x\x0cy"
    (here / "t.jsonl").write_text(json.dumps({"text": odd}, ensure_ascii=False) + "\n", "utf-8")
    (here / "t.csv").write_text(f"image,text\na.png,{odd}\n", "utf-8")
    assert rows(here / "t.jsonl") == [{"text": odd}] and rows(here / "t.csv")[0]["text"] == odd


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.jsonl", '{"image": "a.png", "text": "a cat", "text": "a dog"}', "two values of 'text'"),
        ("t.json", '{"a.png": "a cat", "a.png": "a dog"}', "two values of 'a.png'"),
        ("t.json", '[{"text": "a cat", "text": "a dog"}]', "two values of 'text'"),
        ("t.json", f"[{LINES[0]}][{LINES[1]}]", "more follows the end of the list"),
        ("t.json", f"[{LINES[0]},", "not complete JSON"),
        ("t.json", '{"image": {"0": "a.png"}, "prompt": {"0": "a cat"}}', "neither one record nor a map"),
        ("t.json", '{"a.png": "a cat", "prompt": "a dog"}', "neither one record nor a map"),
        ("t.json", '{"images": null, "annotations": {}}', "no lists, as COCO has them"),
        ("t.csv", "image,text,,\na.png,a cat, sitting,\n", "line 2: it has 4 cells and the header 2"),
        ("t.csv", "image,text,Text\na.png,a,b\n", "names 'text' twice"),
        ("t.csv", 'image,text\na.png,"a cat\nb.png,x\n', "unexpected end of data"),
        ("t.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
    ],
)
def test_a_table_that_can_be_read_in_two_ways_is_refused_by_name(here, name, text, reason):
    (here / name).write_text(text)
    with pytest.raises(BadSource, match=reason):
        rows(here / name)


def test_a_pipe_that_is_called_like_a_table_is_refused_and_not_waited_for():
    put({"d/a.png": None})
    os.mkfifo("d/metadata.jsonl")
    with pytest.raises(BadSource, match="not a regular file"):
        look()


def test_one_record_in_a_json_file_is_a_table_of_one_row(here):
    put({"d/a.png": None, "m.json": json.dumps({"image": "a.png", "prompt": "a cat"})})
    assert prompts(prompts="m.json") == {"a.png": "a cat"}


def test_cocos_captions_belong_to_ids_and_to_no_two_images():
    coco = {
        "images": [
            {"id": 1, "file_name": "a.png"},
            {"id": 2, "file_name": "b.png"},
            {"id": 2, "file_name": "c.png"},
            {"file_name": "d.png"},
            {"id": [1], "file_name": "e.png"},
            7,
            {"id": 9},
        ],
        "annotations": [
            {"image_id": 1, "caption": None},
            {"image_id": 1, "caption": "a cat"},
            {"image_id": 2, "caption": "whose?"},
            {"caption": "nobody's"},
            {"image_id": [1], "caption": "odd"},
        ],
    }
    put({f"d/{name}.png": None for name in "abcde"})
    put({"c.json": json.dumps(coco)})
    assert prompts(prompts="c.json") == {"a.png": "a cat", "b.png": "", "c.png": "", "d.png": "", "e.png": ""}


def test_karpathys_split_of_coco_gives_each_image_its_sentences():
    images = [{"filename": "a.png", "filepath": "val", "sentences": [{"raw": "a cat"}, {"raw": "b"}]}]
    put({"d/a.png": None, "c.json": json.dumps({"images": images, "dataset": "coco"})})
    assert prompts(prompts="c.json") == {"a.png": "a cat"}


@pytest.mark.parametrize("names", [("text", "Text"), ("Text", "text"), ("TEXT", "text", "Text")])
def test_of_columns_that_differ_by_case_the_one_in_small_letters_is_meant(names):
    put({"d/a.png": None, "m.jsonl": json.dumps({"image": "a.png", **{name: name for name in names}})})
    assert prompts(prompts="m.jsonl") == {"a.png": "text"}
