"""Tables of prompts in five formats, read alike."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from rankkit.errors import BadSource
from rankkit.io.tables import open_table, read_object


def rows(path):
    return [dict(record) for _, record in open_table(path).records()]


ROWS = [{"file_name": "a.png", "text": "a cat, 'sat'\nhere"}, {"file_name": "b.png", "text": "naß"}]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "json", "parquet"])
def test_the_same_rows_come_from_every_format(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    sign = "\t" if suffix == "tsv" else ","
    cells = (
        sign.join(ROWS[0])
        + "\n"
        + "".join(sign.join(f'"{value}"' for value in row.values()) + "\n" for row in ROWS)
    )
    if suffix == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    else:
        texts = {"jsonl": "\n".join(map(json.dumps, ROWS)), "json": json.dumps(ROWS)}
        path.write_text(texts.get(suffix, cells), "utf-8")
    assert rows(path) == ROWS


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "json"])
def test_tables_may_be_written_in_any_coding_that_texts_may(tmp_path, suffix, coding):
    path = tmp_path / f"t.{suffix}"
    line = '{"text": "naß"}'
    texts = {"jsonl": line, "csv": "text\nnaß\n", "json": f"[{line}]"}
    path.write_bytes(texts[suffix].encode(coding))
    assert rows(path) == [{"text": "naß"}]
    assert bool(open_table(path).notes) == (coding == "cp1252")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_the_sign_between_cells_is_read_off_the_header_and_said(tmp_path, sign):
    (tmp_path / "t.csv").write_text(f' image{sign} text \na.png{sign}"a{sign} cat"\n')
    assert rows(tmp_path / "t.csv") == [{"image": "a.png", "text": f"a{sign} cat"}]
    assert bool(open_table(tmp_path / "t.csv").notes) == (sign != ",")


def test_a_caption_that_a_comma_cuts_is_an_error_that_names_the_line(tmp_path):
    (tmp_path / "t.csv").write_text("image,text\na.png,a cat\nb.png,a dog, running\n")
    with pytest.raises(BadSource, match=r"line 3: it has 3 cells and the header 2"):
        rows(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("depth", [900, 100_000])
def test_what_is_nested_too_deeply_is_one_message(tmp_path, suffix, depth):
    path = tmp_path / f"t.{suffix}"
    text = '{"text": "x", "deep": ' + "[" * depth + "]" * depth + "}"
    path.write_text(text if suffix == "jsonl" else f"[{text}]")
    with pytest.raises(BadSource, match="nested too deeply"):
        rows(path)
    if suffix == "json":
        path.write_text('{"x":' * depth + "1" + "}" * depth)
        with pytest.raises(BadSource, match="nested too deeply"):
            rows(path)


def test_a_map_of_names_to_prompts_is_a_table(tmp_path):
    (tmp_path / "t.json").write_text('{"a.png": "a cat", "b.png": {"prompt": "a dog", "seed": 1}}')
    assert rows(tmp_path / "t.json") == [
        {"image": "a.png", "prompt": "a cat"},
        {"image": "b.png", "prompt": "a dog", "seed": 1},
    ]
    assert list(read_object(tmp_path / "t.json")) == ["a.png", "b.png"]


def test_images_inside_a_parquet_file_are_left_where_they_are(tmp_path):
    table = pyarrow.Table.from_pylist([{"image": {"bytes": b"x", "path": "a.png"}, "text": "a fox"}])
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert rows(tmp_path / "t.parquet") == [{"text": "a fox"}]
