"""Rows that were changed by hand or by a fault: an error that names the field, or a run that goes on."""

import json

import pytest
from score_runs import folder, rows, score

from rankkit.errors import BadRows, RankkitError
from rankkit.io.formats import read_rows

pytestmark = pytest.mark.fault

DAMAGES = [
    ("prompt", 7, "prompt is 7, not text"),
    ("image", ["a.png"], r"image is \['a.png'\], not text"),
    ("ranker", None, "ranker is None, not text"),
    ("group", "\ud800", r"group is '\\ud800', not valid Unicode"),
    ("score", "0.5", "score is '0.5', not a number"),
    ("score", True, "score is True, not a number"),
    ("score", float("inf"), "score is inf, not finite"),
    ("rank", float("nan"), "rank is nan, not finite"),
    ("of", 1.5, "of is 1.5, not a number"),
    pytest.param("score", 10**400, "score is 10+, not finite", id="score-huge"),
    ("of", None, "of is None, not a number"),
    ("of", 2**63, "of is 9223372036854775808, too large"),
    ("options", [], r"options is \[\], not an object"),
    ("details", 3, "details is 3, not an object"),
    ("details", {"x": float("nan")}, "which a row cannot hold"),
    ("details", {"x": "\ud800"}, "which a row cannot hold"),
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "in", "ab")
    return tmp_path


@pytest.mark.parametrize("field, value, says", DAMAGES)
def test_a_row_with_a_value_that_no_row_has_is_named_by_its_field_and_the_file_is_left_alone(
    place, field, value, says
):
    score("in", "sharpness", "out.jsonl")
    first, second = map(json.loads, (place / "out.jsonl").read_text().splitlines())
    damaged = f"{json.dumps({**first, field: value})}\n{json.dumps(second)}\n"
    for name in ("out.jsonl", "out.jsonl.journal"):
        (place / "out.jsonl").unlink(missing_ok=True)
        (place / name).write_text(damaged)
        with pytest.raises(RankkitError, match=says):
            score("in", "sharpness", "out.jsonl")
        assert (place / name).read_text() == damaged
        (place / name).unlink()


@pytest.mark.parametrize("line", ['{"a":' * 100_000, "[" * 100_000, "5"])
def test_lines_that_are_no_rows_end_in_words(place, line):
    (place / "out.jsonl").write_text(f"{line}\n")
    with pytest.raises(BadRows, match="line 1"):
        list(read_rows("out.jsonl"))
    with pytest.raises(RankkitError):
        score("in", "sharpness", "out.jsonl")


@pytest.mark.parametrize("cell", ["inf", "1e999", "nan", "x"])
def test_a_csv_whose_numbers_are_none_ends_in_words(place, cell):
    score("in", "sharpness", "out.csv")
    text = (place / "out.csv").read_text()
    (place / "out.csv").write_text(text.replace(",1.0,2,", f",1.0,{cell},"))
    with pytest.raises(BadRows, match="line 2"):
        list(read_rows("out.csv"))


@pytest.mark.parametrize("at", [10, 40, 400, 1200])
def test_a_parquet_file_that_is_damaged_within_ends_in_words(place, at):
    score("in", ["sharpness", "contrast"], "out.parquet")
    data = bytearray((place / "out.parquet").read_bytes())
    data[at : at + 30] = bytes(30)
    (place / "out.parquet").write_bytes(data)
    try:
        assert rows("out.parquet")
    except BadRows as error:
        assert "out.parquet" in str(error)


@pytest.mark.parametrize("members", [5, [], {"sharpness": 5, "contrast": {"score": "x"}}, {"other": {}}])
def test_a_panels_row_whose_members_are_damaged_is_not_combined_and_the_run_goes_on(place, members):
    score("in", "sharpness+contrast", "out.jsonl")
    first, second = map(json.loads, (place / "out.jsonl").read_text().splitlines())
    first["details"] = {"members": members}
    (place / "out.jsonl").write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    outcome = score("in", "sharpness+contrast", "out.jsonl")
    assert (outcome.images, outcome.reused) == (2, 2)
    assert rows("out.jsonl")[0]["score"] is None


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_whole_number_as_a_score_is_read_as_a_number_like_any_other_however_long_it_is(place, suffix):
    score("in", "sharpness", "first.jsonl")
    first, *rest = (place / "first.jsonl").read_text().splitlines()
    changed = json.dumps({**json.loads(first), "score": 2**63 - 1, "rank": 10**30})
    for name in ("out.jsonl", f"journal.{suffix}.journal"):
        (place / name).write_text("\n".join([changed, *rest, ""]))
    score("in", "sharpness", "out.jsonl")
    score("in", "sharpness", f"journal.{suffix}")
    for name in ("out.jsonl", f"journal.{suffix}"):
        assert {type(row["score"]) for row in read_rows(name)} == {float}
        assert max(row["score"] for row in read_rows(name)) == 2.0**63
