"""A panel of pointwise rankers is scored in pieces, and says what it would have said of the whole group."""

import random

import pytest
from PIL import Image

import rankkit
from rankkit.io.formats import read_rows
from rankkit.io.prompts import survey
from rankkit.registry.load import prepare
from rankkit.scoring import chunks, engine

SPEC = "sharpness*2+contrast"


@pytest.fixture
def folder(tmp_path):
    rng = random.Random(0)
    for i in range(chunks.CHUNK + 9):
        Image.frombytes("RGB", (16, 16), rng.randbytes(768)).resize((16 + i % 5, 20)).save(
            tmp_path / f"{i:03}.png"
        )
    (tmp_path / "010.png").write_bytes(b"no image")
    return tmp_path


def score(folder, **options):
    return engine.score(survey([folder]), [prepare(SPEC)], folder / "rows.jsonl", **options)


def test_a_panel_scored_in_pieces_equals_the_panel_on_the_whole_group(folder):
    outcome = score(folder)
    rows = [row for row in read_rows(folder / "rows.jsonl") if row["error"] is None]
    images = tuple(Image.open(row["image"]).convert("RGB") for row in rows)
    (whole,) = rankkit.load(SPEC).rank([rankkit.Group("", images)])
    assert [row["score"] for row in rows] == list(whole.scores)
    assert [row["rank"] for row in rows] == list(whole.ranks)
    assert [row["details"] for row in rows] == list(whole.details)
    assert {row["of"] for row in rows} == {chunks.CHUNK + 8} and outcome.abstained == 1


def test_a_group_that_grew_is_combined_anew_without_scoring_the_old_images_again(folder):
    score(folder)
    Image.new("RGB", (8, 8), "white").save(folder / "999.png")
    assert score(folder).scored == 2  # the new image, and the one that abstains
    grown = list(read_rows(folder / "rows.jsonl"))
    assert score(folder, overwrite=True).scored == chunks.CHUNK + 10
    assert list(read_rows(folder / "rows.jsonl")) == grown
