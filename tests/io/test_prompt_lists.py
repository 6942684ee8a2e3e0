"""Lists of prompts, from whatever file people keep them in: equal lists from equal content, metadata kept,
and one message for what is no list of prompts.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rankkit.errors import RankkitError
from rankkit.io.prompt_lists import read_prompts

PROMPTS = ["a photo of a zebra", "zwei Yaks, naß", "two yaks, “wet”"]
KINDS = ["txt", "jsonl", "csv", "tsv", "json", "parquet", "folder"]


def written(folder: Path, kind: str, prompts: list[str] = PROMPTS) -> Path:
    """The prompts in a file of this kind, or a folder."""
    path = folder / f"prompts.{kind}"
    rows = [{"id": number, "prompt": prompt} for number, prompt in enumerate(prompts)]
    if kind == "txt":
        path.write_text("\n".join(prompts) + "\n", "utf-8")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif kind == "json":
        path.write_text(json.dumps(rows), "utf-8")
    elif kind in ("csv", "tsv"):
        with open(path, "w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, ["id", "prompt"], delimiter="," if kind == "csv" else "\t")
            lines.writeheader()
            lines.writerows(rows)
    elif kind == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(rows), path)
    else:
        for number, row in enumerate(rows):
            (path / f"{number:05d}").mkdir(parents=True)
            (path / f"{number:05d}/metadata.jsonl").write_text(json.dumps(row), "utf-8")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_prompts_come_from_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    assert [prompt for prompt, _ in read_prompts(written(tmp_path, kind))] == PROMPTS


@pytest.mark.parametrize("kind", ["jsonl", "csv", "tsv", "json", "parquet", "folder"])
def test_all_other_columns_are_metadata(kind: str, tmp_path: Path) -> None:
    found = [metadata for _, metadata in read_prompts(written(tmp_path, kind))]
    assert [str(each["id"]) for each in found] == ["0", "1", "2"] and {len(each) for each in found} == {1}


def test_geneval_clauses_stay_what_they_are(tmp_path: Path) -> None:
    clauses = {"tag": "counting", "include": [{"class": "yak", "count": 2}], "exclude": None}
    (tmp_path / "m.jsonl").write_text(json.dumps(clauses | {"prompt": "two yaks"}))
    assert read_prompts(tmp_path / "m.jsonl") == [
        ("two yaks", {"tag": "counting", "include": [{"class": "yak", "count": 2}]})
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + "naß\r\n".encode(),
        "naß\n".encode("utf-16"),
        "naß\n".encode("utf-16-le"),
        b"na\xdf\n",
    ],
    ids=["mark", "UTF-16", "UTF-16 without a mark", "Windows-1252"],
)
def test_text_of_any_coding_is_read_and_windows_is_said(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(data)
    found = read_prompts(tmp_path / "p.txt")
    said = "read as Windows-1252, because it is not UTF-8"
    assert found == [("naß", {})] and found.notes == ((said,) if data == b"na\xdf\n" else ())


def test_lines_are_prompts_and_empty_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes("a cat\r\n\r\n  ein Hund \u2028 im Regen\n \na, “b”".encode())
    assert [prompt for prompt, _ in read_prompts(tmp_path / "p.txt")] == [
        "a cat",
        "ein Hund \u2028 im Regen",
        "a, “b”",
    ]


@pytest.mark.parametrize("name", ["Prompt", "PROMPTS", "text", "caption"])
def test_the_column_of_prompts_is_known_by_its_usual_names(name: str, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(f"Category,{name}\nx,a cat\n")
    assert read_prompts(tmp_path / "p.csv") == [("a cat", {"Category": "x"})]


def test_beside_a_prompt_the_text_to_be_rendered_is_metadata(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("text,prompt\nSTOP,a sign\n")
    assert read_prompts(tmp_path / "p.csv") == [("a sign", {"text": "STOP"})]


def test_rows_without_a_prompt_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"prompt": "a cat"}\n{"prompt": null}\n{"id": 3}\n{"prompt": " "}\n')
    found = read_prompts(tmp_path / "p.jsonl")
    assert found == [("a cat", {})] and found.notes == ("3 rows without a prompt are left out",)


@pytest.mark.parametrize(
    "value, expected",
    [
        (["a cat", "a dog"], [("a cat", {}), ("a dog", {})]),
        ({"0.png": "a cat"}, [("a cat", {})]),
        ({"prompt": "a cat", "tag": "x"}, [("a cat", {"tag": "x"})]),
    ],
    ids=["texts", "images to prompts", "one object"],
)
def test_a_json_file_may_hold_texts_or_a_map_or_one_object(
    value: Any, expected: list[tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text(json.dumps(value))
    assert read_prompts(tmp_path / "p.json") == expected


def test_a_folder_holds_shards_or_texts_or_one_prompt_each(tmp_path: Path) -> None:
    for name, text in {"b.jsonl": '{"prompt": "two"}', "a.jsonl": '{"prompt": "one"}'}.items():
        (tmp_path / "shards" / "data").mkdir(parents=True, exist_ok=True)
        (tmp_path / "shards" / "data" / name).write_text(text)
    for name in ("one", "two"):
        (tmp_path / "samples" / name).mkdir(parents=True)
        (tmp_path / "samples" / name / "prompt.txt").write_text(f"{name}\nand more\n")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "colours.txt").write_text("one\ntwo\n")
    assert [prompt for prompt, _ in read_prompts(tmp_path / "shards")] == ["one", "two"]
    assert [prompt for prompt, _ in read_prompts(tmp_path / "samples")] == ["one\nand more", "two\nand more"]
    assert [prompt for prompt, _ in read_prompts(tmp_path / "texts")] == ["one", "two"]


def no_list(folder: Path, what: str) -> Path:
    """Something that is no list of prompts."""
    path = folder / what
    if what == "image.png":
        Image.new("RGB", (8, 8)).save(path)
    elif what in ("image.txt", "image.csv"):
        Image.new("RGB", (8, 8)).save(path, "PNG")
    elif what == "huge.txt":
        with open(path, "wb") as file:
            file.truncate(2**31)
    elif what == "columns.csv":
        path.write_text("id,sentence\n1,a cat\n")
    elif what == "disguised.txt":
        path.write_text('{"prompt": "a cat"}\n')
    elif what == "split.json":
        path.write_text('{"annotations": ["a cat"]}')
    elif what == "number.jsonl":
        path.write_text('{"prompt": 5}\n')
    elif what == "texts.jsonl":
        path.write_text('"a cat"\n"a dog"\n')
    elif what == "torn.jsonl":
        path.write_text('{"prompt": "a cat"}\n{"pro')
    elif what == "bare":
        path.mkdir()
    elif what == "several":
        path.mkdir()
        (path / "a.csv").write_text("prompt\na cat\n")
        (path / "b.jsonl").write_text('{"prompt": "a cat"}\n')
    elif what.startswith("empty"):
        path.write_text("" if what.endswith("json") else "\n \n" if what.endswith("txt") else "id,prompt\n")
    return path


@pytest.mark.parametrize(
    "what, words",
    [
        ("image.png", "is an image, not a list of prompts"),
        ("image.txt", "is an image, not a list of prompts"),
        ("image.csv", "is an image, not a list of prompts"),
        ("huge.txt", "2147483648 bytes.*split it"),
        ("columns.csv", "no column of prompts; its columns are id, sentence; name one of them prompt"),
        ("disguised.txt", r"first line is a JSON object.*\.jsonl"),
        ("split.json", "annotations"),
        ("number.jsonl", "line 1: its prompt is int, not text"),
        ("texts.jsonl", r'line 1: an object like \{"prompt": …\}.*, not "a cat"; bare prompts.*\.txt'),
        ("torn.jsonl", "line 2: not JSON"),
        ("bare", "holds no prompts"),
        ("several", r"several kinds \(\.csv, \.jsonl\)"),
        ("empty.txt", "is empty"),
        ("empty.json", "is empty"),
        ("empty.csv", "is empty"),
        ("nowhere.txt", "there is no prompt file"),
    ],
)
def test_what_is_no_list_of_prompts_is_one_message_that_names_it(
    what: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(RankkitError, match=words) as refused:
        read_prompts(no_list(tmp_path, what))
    assert what in str(refused.value) and "\n" not in str(refused.value)
