import csv
import json
import math

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankkit.core.types import Identity
from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import (
    FORMATS,
    FORMULA,
    TEXT_FIELDS,
    format_of,
    from_json,
    read_rows,
    replacing,
    to_json,
)
from rankkit.io.rows import FIELDS, row

SUFFIXES = tuple(FORMATS)
HOSTILE = st.sampled_from(
    [
        *("", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "'", "''", "'=1", "''=1", "=", '"', '""', ",", ";"),
        *(
            "a\nb",
            "a\r\nb",
            "\n",
            "\r",
            "\0",
            "a\0b",
            "😀",
            "é",
            "\u2028",
            "\ufeff",
            "\x1c",
            "<b>",
            "null",
            "NaN",
            " ",
        ),
        *("\\ud800", "\ud800", "\udcff"),
    ]
)
TEXT = HOSTILE | st.text(st.characters(exclude_categories=()), max_size=12)
NUMBER = st.floats(allow_infinity=False, allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=2)
ROW = st.builds(
    row,
    st.builds(Identity, st.sampled_from(["mine", "=mine"]), st.just("1.0"), OBJECT),
    group=TEXT,
    prompt=TEXT,
    image=TEXT,
    sha256=st.sampled_from(["", "ab" * 32]),
    kind=st.sampled_from(["pointwise", "pairwise", "listwise"]),
    score=NUMBER | st.just(math.nan),
    stderr=st.none() | NUMBER,
    rank=st.none() | st.sampled_from([1.0, 1.5, 2.0]),
    of=st.integers(0, 9),
    details=OBJECT,
)
ROWS = st.lists(ROW, max_size=3)
QUICK = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
)


def made(**changes):
    given = {"group": "g", "prompt": "p", "image": "a.png", "sha256": "00", "kind": "pointwise", "score": 0.5}
    return row(Identity("mine", "1.0", {"k": 1}), **{**given, **changes})


def write(path, rows):
    with replacing(path) as put:
        for each in rows:
            put(each)
    return path


# --- round trips ---


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(rows=ROWS)
@QUICK
def test_any_rows_are_read_back_exactly(tmp_path, suffix, rows):
    path = write(tmp_path / f"rows{suffix}", rows)
    found = list(read_rows(path))
    assert found == rows
    assert [list(each) for each in found] == [list(FIELDS)] * len(rows)


@given(ROWS)
@QUICK
def test_a_line_of_json_holds_one_row(rows):
    for each in rows:
        line = to_json(each)
        assert "\n" not in line and from_json(line) == each == from_json(line.encode())


@given(rows=ROWS)
@QUICK
def test_no_cell_of_a_csv_begins_like_a_formula(tmp_path, rows):
    path = write(tmp_path / "rows.csv", rows)
    with open(path, encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            assert not any(record[name].startswith(FORMULA) for name in (*TEXT_FIELDS, "options", "details"))


@pytest.mark.parametrize("start", FORMULA)
def test_a_formula_is_preceded_by_an_apostrophe_that_reading_takes_off(tmp_path, start):
    text = start + "cmd|' /C calc'!A0"
    path = write(tmp_path / "rows.csv", [made(prompt=text, image="'" + text, score=-1.0)])
    assert f"'{start}cmd".encode() in path.read_bytes()
    (found,) = read_rows(path)
    assert (found["prompt"], found["image"], found["score"]) == (text, "'" + text, -1.0)


def test_options_and_details_are_objects_in_jsonl_and_json_texts_in_csv_and_parquet(tmp_path):
    rows = [made(details={"why": ["sharp"]})]
    line = json.loads(write(tmp_path / "r.jsonl", rows).read_text())
    assert (line["options"], line["details"]) == ({"k": 1}, {"why": ["sharp"]})
    with open(write(tmp_path / "r.csv", rows), newline="") as file:
        assert next(csv.DictReader(file))["details"] == '{"why": ["sharp"]}'
    table = pyarrow.parquet.read_table(write(tmp_path / "r.parquet", rows))
    assert table.column_names == list(FIELDS)
    assert table["details"].to_pylist() == ['{"why": ["sharp"]}']
    assert (
        table.schema.field("score").type == pyarrow.float64()
        and table.schema.field("of").type == pyarrow.int64()
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nan_is_never_written(tmp_path, suffix):
    path = write(
        tmp_path / f"r{suffix}",
        [made(score=math.nan, stderr=math.nan, rank=math.nan, details={"x": math.nan, "error": "refused"})],
    )
    assert b"NaN" not in path.read_bytes() and b"nan" not in path.read_bytes().replace(b"rankkit", b"")
    (found,) = read_rows(path)
    assert found["score"] is found["stderr"] is found["rank"] is None and found["error"] == "refused"


def test_parquet_holds_more_rows_than_one_row_group(tmp_path):
    path = write(tmp_path / "r.parquet", (made(image=str(i), score=float(i)) for i in range(8192 + 5)))
    assert pyarrow.parquet.ParquetFile(path).num_row_groups == 2
    assert [each["score"] for each in read_rows(path)] == [float(i) for i in range(8197)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_rows_are_a_file_with_no_rows(tmp_path, suffix):
    assert list(read_rows(write(tmp_path / f"r{suffix}", []))) == []


def test_a_csv_with_an_object_that_is_long_is_read(tmp_path):
    path = write(tmp_path / "r.csv", [made(details={"raw": "x" * 300_000})])
    assert next(iter(read_rows(path)))["details"] == {"raw": "x" * 300_000}


# --- torn, damaged and foreign files ---


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_torn_last_line_is_left_out_wherever_it_was_torn(tmp_path, suffix):
    rows = [made(image="a.png"), made(image="b, c.png", prompt="é\n=1")]
    rows.append(
        made(
            image="c\n.png",
            prompt="=é 😀",
            score=math.nan,
            details={"error": "no, 'never'", "raw": 'say "hi"'},
        )
    )
    whole = write(tmp_path / f"r{suffix}", rows).read_bytes()
    second = len(write(tmp_path / f"s{suffix}", rows[:2]).read_bytes())
    for size in range(second, len(whole) + 1):
        (tmp_path / f"r{suffix}").write_bytes(whole[:size])
        found = list(read_rows(tmp_path / f"r{suffix}"))
        assert found == rows[:2] or found == rows, whole[second:size]
        assert (
            len(found) == 2 or size >= len(whole) - 3
        )  # what is missing is the closing quote and the line break


def test_a_bad_line_elsewhere_is_named_with_its_number(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(f"{to_json(made())}\n\nnot json\n{to_json(made())}\n")
    with pytest.raises(BadRows, match=r"r\.jsonl, line 3: not a row of rankkit .*score with --overwrite"):
        list(read_rows(path))


@pytest.mark.parametrize("bad", ["only,two", "=,1,2,3", ",".join("x" * 14)])
def test_a_bad_line_in_the_middle_of_a_csv_is_named_and_hides_nothing(tmp_path, bad):
    path = write(tmp_path / "r.csv", [made(image="a.png"), made(image="b.png")])
    header, first, second = path.read_text().splitlines()
    path.write_text("\r\n".join([header, first, bad, second, ""]))
    with pytest.raises(BadRows, match=r"r\.csv, line 3"):
        list(read_rows(path))


FOREIGN = {
    "text": b"a shopping list\nmilk\n",
    "json": b'{"image": "a.png", "prompt": "a cat"}\n',
    "list": b"[1, 2]\n",
    "number": b"3\n",
    "csv": b"image,prompt\na.png,a cat\n",
    "bytes": b"\x00\xff\xfe\x80 not text \xe9\n" * 3,
    "latin": "image,prompt\ncaf\xe9.png,a cat\n".encode("latin-1"),
    "picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path, suffix, kind):
    path = tmp_path / f"foreign{suffix}"
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(BadRows, match="foreign"):
        list(read_rows(path))


def test_a_parquet_file_of_something_else_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"image": ["a.png"]}), tmp_path / "other.parquet")
    with pytest.raises(BadRows, match="its columns are not those of rankkit's rows"):
        list(read_rows(tmp_path / "other.parquet"))


def test_a_csv_in_another_encoding_below_our_header_is_refused(tmp_path):
    path = write(tmp_path / "r.csv", [made(), made()])
    path.write_bytes(path.read_bytes().replace(b"a.png", b"\xe9.png"))
    with pytest.raises(BadRows, match=r"r\.csv"):
        list(read_rows(path))


def test_a_csv_that_a_spreadsheet_saved_with_a_byte_order_mark_is_still_ours(tmp_path):
    path = write(tmp_path / "r.csv", [made()])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read_rows(path)) == [made()]


def test_a_file_that_is_not_there_says_so_and_tells_of_an_unfinished_run(tmp_path):
    with pytest.raises(BadRows, match="no such file"):
        read_rows(tmp_path / "r.jsonl")
    (tmp_path / "r.jsonl.journal").touch()
    with pytest.raises(BadRows, match="has not finished; run the same rankkit score command again"):
        read_rows(tmp_path / "r.jsonl")


@pytest.mark.parametrize(
    ("name", "shown"), [("r.txt", "'.txt'"), ("r", "a name without suffix"), ("r.jsonl.gz", "'.gz'")]
)
def test_another_suffix_is_a_usage_error_that_lists_ours(name, shown):
    with pytest.raises(UsageError, match=r"rows go to \.jsonl, \.csv, \.parquet") as caught:
        format_of(name)
    assert shown in str(caught.value)


def test_the_suffix_may_be_in_capitals(tmp_path):
    assert list(read_rows(write(tmp_path / "R.CSV", [made()]))) == [made()]


# --- replaced whole ---


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_exception_leaves_the_old_file_intact_and_nothing_beside_it(tmp_path, suffix):
    path = write(tmp_path / f"r{suffix}", [made()])
    before = path.read_bytes()
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), replacing(path) as put:
            for _ in range(9000):
                put(made(image="new.png"))
            raise error
        assert path.read_bytes() == before
        assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path, suffix):
    path = write(tmp_path / f"r{suffix}", [made(image="old.png")])
    with replacing(path) as put:
        put(made(image="new.png"))
        assert [each["image"] for each in read_rows(path)] == ["old.png"]
    assert [each["image"] for each in read_rows(path)] == ["new.png"]


def test_a_file_may_be_rewritten_from_itself(tmp_path):
    path = write(tmp_path / "r.jsonl", [made(image=str(i)) for i in range(5)])
    with replacing(path) as put:
        for each in read_rows(path):
            if each["image"] != "2":
                put(each)
    assert [each["image"] for each in read_rows(path)] == ["0", "1", "3", "4"]
