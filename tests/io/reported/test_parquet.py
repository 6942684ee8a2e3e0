"""Parquet as public reports describe it: images in lists, texts stored as bytes, bytes that are no images."""

import contextlib
import os

import pyarrow as pa
import pyarrow.parquet
import pytest
from prompt_files import look, png, prompts, put, tar

from rankkit.errors import BadSource
from rankkit.io.cells import Cells, image_cells

pytestmark = pytest.mark.usefixtures("here")

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(name, columns, **options):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    pyarrow.parquet.write_table(pa.table(columns), name, **options)


def cell(seed):
    return {"bytes": png(seed), "path": f"{seed}.png"}


@pytest.mark.parametrize("kind", [IMAGE, pa.binary()])
@pytest.mark.parametrize("many", [pa.list_, pa.large_list])
def test_images_in_lists_are_as_many_images(kind, many):
    values = [[0, 1], [], [2], None, [3, 4, 5]]
    cells = [None if v is None else [cell(i) if kind == IMAGE else png(i) for i in v] for v in values]
    columns = {"images": pa.array(cells, many(kind)), "text": list("abcde")}
    write("t.parquet", columns, row_group_size=2)
    found = list(look("t.parquet").items())
    assert [(item.name, item.prompt) for item in found] == [
        ("t.parquet/000000-images.0", "a"),
        ("t.parquet/000000-images.1", "a"),
        ("t.parquet/000002", "c"),
        *((f"t.parquet/000004-images.{i}", "e") for i in range(3)),
    ]
    assert [item.read() for item in found] == [png(i) for i in range(6)]


def written(*kinds):
    """Those of some types that this version of pyarrow can write into parquet."""
    for kind in kinds:
        with contextlib.suppress(pa.ArrowNotImplementedError):
            table = pa.table({"x": pa.array([b"x" if "binary" in str(kind) else "x"], kind)})
            pyarrow.parquet.write_table(table, pa.BufferOutputStream())
            yield kind


@pytest.mark.parametrize(
    "kind",
    [*written(pa.binary(), pa.large_binary(), pa.binary_view()), pa.binary(len(png())), "struct", "nested"],
)
@pytest.mark.parametrize("name", ["image", "x", "image.png"])
def test_image_files_are_known_by_what_they_are_whatever_column_holds_them(kind, name):
    value, of = (cell(0), IMAGE) if kind == "struct" else (png(0), kind)
    if kind == "nested":
        value, of = {"inner": cell(0)}, pa.struct([("inner", IMAGE)])
    write("t.parquet", {name: pa.array([value], of), "caption": ["a cat"]})
    (item,) = look("t.parquet").items()
    assert item.prompt == "a cat" and item.read() == png(0)


@pytest.mark.parametrize("value", [b"\0" * 16, b"\x93NUMPY\1\0", b"a text", b"BMW in the rain"])
def test_bytes_that_are_no_images_make_no_images_up(value):
    put({"d/a.png": None})
    write("d/metadata.parquet", {"file_name": ["a.png"], "text": ["a cat"], "embedding": pa.array([value])})
    assert prompts() == {"a.png": "a cat"}


def test_sounds_of_the_datasets_library_are_no_images():
    write("d/t.parquet", {"audio": pa.array([{"bytes": b"RIFF\0\0\0\0WAVE", "path": "a.wav"}], IMAGE)})
    assert prompts() == {}


@pytest.mark.parametrize("kind", [*written(pa.string(), pa.large_string(), pa.string_view()), pa.binary()])
def test_texts_may_be_stored_as_any_kind_of_text_or_as_bytes(kind):
    put({"d/a.png": None})
    write("d/metadata.parquet", {"file_name": pa.array(["a.png"], kind), "text": pa.array(["a cat"], kind)})
    assert prompts() == {"a.png": "a cat"}
    encoded = {name: pa.array([value]).dictionary_encode() for name, value in (("file_name", "a.png"),)}
    write("d/metadata.parquet", {**encoded, "text": pa.array(["a dog"]).dictionary_encode()})
    assert prompts() == {"a.png": "a dog"}


def test_two_columns_of_one_name_and_values_that_python_lacks_are_refused_by_name():
    twice = pa.Table.from_arrays([pa.array(["a.png"]), *[pa.array(["x"])] * 2], ["image", "text", "text"])
    pyarrow.parquet.write_table(twice, "t.parquet")
    with pytest.raises(BadSource, match="two columns called 'text'"):
        prompts("t.parquet")
    write("t.parquet", {"image": ["a.png"], "when": pa.array([2**62], pa.timestamp("us"))})
    with pytest.raises(BadSource, match="t.parquet, after row 0: date value out of range"):
        prompts("t.parquet")


@pytest.mark.parametrize("start", [b"PAR1", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"])
def test_a_parquet_file_that_is_none_is_named_in_the_notes(start):
    put({"d/a.png": None, "d/t.parquet": start + b"\0" * 20})
    (note,) = look().notes
    assert "d/t.parquet: not a parquet file" in note and ("git lfs pull" in note) == (start[:1] == b"v")


def test_what_img2dataset_writes_beside_its_archives_is_no_second_source():
    tar("d/00000.tar", [("0.jpg", None), ("0.txt", "a cat"), ("0.json", '{"caption": null, "key": "0"}')])
    write("d/00000.parquet", {"url": ["http://x"], "caption": ["a cat"], "key": ["0"]})
    put({"d/00000_stats.json": '{"count": 1}'})
    assert prompts() == {"00000.tar/0.jpg": "a cat"} and look().notes == ()


def test_any_order_of_reading_gives_the_same_cells(here):
    write("t.parquet", {"image": pa.array([png(i) for i in range(50)])}, row_group_size=7)
    (column,) = image_cells(here / "t.parquet")
    cells = Cells("t.parquet", column)
    for row in (0, 49, 7, 6, 48, 20, 21, 13, 14, 14):
        assert cells.get(row) == png(row)
    with pytest.raises(IndexError):
        cells.get(50)
