import json
import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rankkit import Group, Ranking
from rankkit.core.text import from_printable, plain, printable
from rankkit.core.types import Identity
from rankkit.io.rows import FIELDS, Row, locate, row, rows

MINE = Identity("mine", "1.0", {"scale": 2})
IMAGE = Image.new("RGB", (1, 1))
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=8,
)


def made(**changes):
    given = {"group": "g", "prompt": "p", "image": "a.png", "sha256": "00", "kind": "pointwise", "score": 1.0}
    return row(MINE, **{**given, **changes})


def test_a_group_and_its_ranking_become_one_row_per_image_in_order():
    group = Group("a cat", (IMAGE,) * 3, "cats", ("a.png", "b.png", "c.png"))
    ranking = Ranking(
        (1, math.nan, 3),
        "pointwise",
        (0.1, 0.2, 0.3),
        ({}, {"error": "refused", "raw": "no"}, {"why": "sharp"}),
    )
    first, second, third = rows(group, ranking, MINE, ("s0", "s1", "s2"))
    assert first == {
        "group": "cats",
        "prompt": "a cat",
        "image": "a.png",
        "sha256": "s0",
        "ranker": "mine",
        "version": "1.0",
        "options": {"scale": 2},
        "kind": "pointwise",
        "score": 1.0,
        "stderr": 0.1,
        "rank": 2.0,
        "of": 2,
        "error": None,
        "details": {},
    }
    assert tuple(first) == FIELDS == tuple(Row.__annotations__)
    assert (second["score"], second["stderr"], second["rank"], second["error"]) == (
        None,
        None,
        None,
        "refused",
    )
    assert second["of"] == 2 and second["details"] == {"raw": "no"}
    assert (third["rank"], third["details"]) == (1.0, {"why": "sharp"})


def test_ties_share_their_mean_rank_in_the_rows():
    assert [found["rank"] for found in rows(Group("", (IMAGE,) * 3), Ranking((2, 2, 1)), MINE)] == [
        1.5,
        1.5,
        3,
    ]


def test_images_without_names_are_called_by_their_place():
    found = rows(Group("p", (IMAGE,) * 2), Ranking((1, 2)), MINE)
    assert [each["image"] for each in found] == ["0", "1"] and [each["sha256"] for each in found] == ["", ""]
    assert rows(Group("p", ()), Ranking(()), MINE) == []


@pytest.mark.parametrize("details", [None, {}, {"error": ""}, {"error": None}])
def test_an_abstention_always_has_a_reason(details):
    found = made(score=math.nan, rank=1.0, stderr=0.5, details=details)
    assert found["score"] is found["rank"] is found["stderr"] is None
    assert found["error"] == "the ranker gave no reason" and found["details"] == {}


def test_a_score_has_no_error_even_where_its_evidence_tells_of_one():
    found = made(details={"error": "one of two calls failed"})
    assert found["error"] is None and found["details"] == {"error": "one of two calls failed"}


@pytest.mark.parametrize("stderr", [None, math.nan, math.inf])
def test_a_standard_error_that_is_not_known_is_null(stderr):
    assert made(stderr=stderr)["stderr"] is None


@given(
    st.floats(allow_infinity=False),
    st.floats() | st.none(),
    ANY_TEXT,
    st.dictionaries(ANY_TEXT, JSON_LIKE, max_size=3),
    st.text(max_size=9),
)
def test_every_row_is_valid_json_without_nan_and_either_scored_or_explained(
    score, stderr, text, details, name
):
    found = made(score=score, stderr=stderr, prompt=text, group=text, image=text, details=details)
    again = json.loads(json.dumps(found, allow_nan=False, ensure_ascii=False).encode())
    assert again == found
    assert (found["score"] is None) == math.isnan(score) == bool(found["error"])


@given(JSON_LIKE)
def test_plain_values_are_what_json_gives_back_and_stay_as_they_are(value):
    found = plain(value)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert plain(found) == found


def test_numbers_of_numpy_are_unpacked_and_everything_else_is_its_text():
    assert plain(
        {"a": np.float32(0.5), "b": np.arange(3), "c": np.bool_(True), "d": np.array([math.nan])}
    ) == {
        "a": 0.5,
        "b": [0, 1, 2],
        "c": True,
        "d": [None],
    }
    assert plain((1, {2})) == [1, [2]] and plain(1j) == "1j" and plain({1: math.inf}) == {"1": None}


# --- text ---


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
def test_valid_text_is_unchanged(text):
    assert printable(text) == text


def test_nul_which_older_csv_readers_cannot_bear_is_shown_by_its_symbol():
    assert printable("a\0b") == "a␀b"


@given(st.binary(max_size=12))
def test_file_names_that_are_not_utf8_are_shown_with_their_bytes(name):
    shown = printable(os.fsdecode(name))
    shown.encode()
    assert shown == name.decode("utf-8", "backslashreplace").replace("\0", "␀")


@given(st.binary(max_size=12).filter(lambda name: b"\0" not in name and b"\\" not in name))
def test_a_file_name_is_had_again_from_what_is_shown_of_it(name):
    assert from_printable(printable(os.fsdecode(name))) == os.fsdecode(name)


@given(ANY_TEXT)
def test_any_text_becomes_valid_unicode_and_stays_so(text):
    shown = printable(text)
    shown.encode()
    assert printable(shown) == shown


def test_lone_surrogates_are_made_visible():
    assert printable("\ud800!") == "\\ud800!"
    assert printable(os.fsdecode(b"caf\xe9.png")) == "caf\\xe9.png"


# --- where an image lies ---


def test_an_image_is_sought_as_it_stands_then_beside_the_rows(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "rows").mkdir()
    for place in ("here/a.png", "rows/a.png", "rows/b.png"):
        (tmp_path / place).touch()
    monkeypatch.chdir(tmp_path / "here")
    beside = tmp_path / "rows" / "scores.jsonl"
    assert locate("a.png", beside) == "a.png"
    assert locate("b.png", beside) == str(tmp_path / "rows" / "b.png")
    assert locate("c.png", beside) is None and locate("a\0.png", beside) is None
