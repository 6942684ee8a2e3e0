"""A panel of pointwise rankers is scored in pieces, and says what it would have said of the whole group."""

import random

import pytest
from PIL import Image

import rankkit
from rankkit.core.types import Identity
from rankkit.io.formats import read_rows, replacing, to_json
from rankkit.io.prompts import survey
from rankkit.io.rows import row
from rankkit.registry.load import prepare
from rankkit.scoring import chunks, engine
from rankkit.scoring.journal import Journal

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


def score(folder, spec=SPEC, **options):
    return engine.score(survey([folder]), [prepare(spec)], folder / "rows.jsonl", **options)


@pytest.mark.parametrize("spec", [SPEC, "sharpness*2"])
def test_a_panel_scored_in_pieces_equals_the_panel_on_the_whole_group(folder, spec):
    outcome = score(folder, spec)
    rows = [row for row in read_rows(folder / "rows.jsonl") if row["error"] is None]
    images = tuple(Image.open(row["image"]).convert("RGB") for row in rows)
    (whole,) = rankkit.load(spec).rank([rankkit.Group("", images)])
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


def test_a_panel_that_was_killed_is_combined_by_its_weights_also_where_another_ranker_goes_on(folder):
    score(folder)
    finished = list(read_rows(folder / "rows.jsonl"))
    (folder / "rows.jsonl").unlink()
    with pytest.raises(KeyboardInterrupt), Journal(folder / "rows.jsonl") as journal:
        pieces = ({**row, "score": row["score"] and 0.5, "rank": None, "of": 0} for row in finished)
        journal.append([to_json(piece) for piece in pieces])  # as scored chunk by chunk, not yet combined
        raise KeyboardInterrupt
    score(folder, "contrast")
    assert [row for row in read_rows(folder / "rows.jsonl") if row["ranker"] == SPEC] == finished


def test_rows_of_a_ranker_whose_name_only_looks_like_a_panel_stay_as_they_are(folder):
    odd = row(
        Identity("mine+yours", "1"), group="g", prompt="", image="a", sha256="", kind="listwise", score=2.0
    )
    with replacing(folder / "rows.jsonl") as write:
        write({**odd, "rank": 1.0, "of": 1})
    score(folder)
    kept = [row for row in read_rows(folder / "rows.jsonl") if row["ranker"] == "mine+yours"]
    assert kept == [{**odd, "rank": 1.0, "of": 1}]
