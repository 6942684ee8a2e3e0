"""Rows of images that are gone, or whose prompt has changed since, are kept but no longer count."""

import json

import pytest
from score_runs import LISTWISE, by_name, folder, keyed, rows, run, save_image, score

from rankkit.analysis import leaderboard
from rankkit.errors import UsageError
from rankkit.io.formats import all_rows, read_rows
from rankkit.io.prompts import survey
from rankkit.io.rows import why_stale
from rankkit.registry.load import prepare
from rankkit.report.build import read_results
from rankkit.scoring import engine


@pytest.fixture
def place(here, write_modules):
    write_modules(darker=LISTWISE)
    folder(here / "d", "ab")
    captions(a="a red apple", b="a red apple")
    return here


def captions(path="d/metadata.jsonl", /, **prompts):
    with open(path, "w") as file:
        for name, given in prompts.items():
            for prompt in given if isinstance(given, list) else [given]:
                file.write(json.dumps({"file_name": f"{name}.png", "text": prompt}) + "\n")


def everything(path="o.jsonl"):
    return [(row["image"], row["prompt"], why_stale(row)) for row in all_rows(path)]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_rows_of_a_prompt_that_was_corrected_are_kept_and_no_longer_count(place, suffix):
    out = f"o.{suffix}"
    score("d", "prompt-color", out)
    captions(a="a blue apple", b="a blue apple")
    outcome = score("d", "prompt-color", out)
    assert (outcome.scored, outcome.stale, outcome.pruned) == (2, 2, 0)
    assert [row["prompt"] for row in read_rows(out)] == ["a blue apple"] * 2
    assert len(everything(out)) == 4
    cell = leaderboard.table([out]).cells["o", "prompt-color"]
    assert len(cell.scores) == 2
    assert read_results(read_rows(out)).images == 2
    left_out = [row for row in all_rows(out) if why_stale(row)]
    assert len(left_out) == 2 and {row["rank"] for row in left_out} == {None}


def test_the_command_says_how_many_and_how_to_drop_them_and_prune_does(place):
    score("d", "prompt-color", "o.jsonl")
    captions(a="a blue apple", b="a red apple")
    command = ("score", "d", "-r", "prompt-color", "-o", "o.jsonl")
    assert b"1 row of an earlier prompt or image is kept; --prune drops it" in run(*command, cwd=place).stderr
    (place / "d" / "b.png").unlink()
    captions(a="a blue apple")
    assert b"2 rows of earlier prompts or images are kept; --prune drops them" in (
        run(*command, cwd=place).stderr
    )
    told = run("table", "o.jsonl", cwd=place)
    assert b"2 rows of earlier prompts or images are left out" in told.stderr and told.returncode == 0
    told = run("gallery", "o.jsonl", "-o", "page.html", cwd=place)
    assert b"2 rows of earlier prompts or images are left out" in told.stderr
    assert b"2 rows of earlier prompts or images are dropped" in run(*command, "--prune", cwd=place).stderr
    assert everything() == [("d/a.png", "a blue apple", None)]
    assert b"earlier" not in run(*command, cwd=place).stderr + run("table", "o.jsonl", cwd=place).stderr


def test_several_captions_of_one_image_all_count(place):
    captions(a=["a red apple", "a fruit"], b="a red apple")
    for _ in range(2):
        outcome = score("d", "prompt-color", "o.jsonl")
        assert outcome.stale == 0 and len(rows("o.jsonl")) == 3
    captions(a=["a fruit", "a round thing"], b="a red apple")
    assert score("d", "prompt-color", "o.jsonl").stale == 1
    assert {row["prompt"] for row in rows("o.jsonl")} == {"a red apple", "a fruit", "a round thing"}


def test_an_image_that_is_gone_is_left_out_and_the_others_are_ranked_without_it(place):
    score("d", "sharpness", "o.jsonl")
    (place / "d" / "b.png").unlink()
    captions(a="a red apple")
    score("d", "sharpness", "o.jsonl")
    (row,) = rows("o.jsonl")
    assert (row["image"], row["rank"], row["of"]) == ("d/a.png", 1.0, 1)
    assert everything()[1][0::2] == ("d/b.png", "its image is gone")


def test_rows_count_again_without_being_scored_when_the_prompt_or_the_image_comes_back(place):
    score("d", ["prompt-color", "darker:Darker"], "o.jsonl")
    before, image = rows("o.jsonl"), (place / "d" / "b.png").read_bytes()
    captions(a="a blue apple")
    (place / "d" / "b.png").unlink()
    score("d", ["prompt-color", "darker:Darker"], "o.jsonl")
    captions(a="a red apple", b="a red apple")
    (place / "d" / "b.png").write_bytes(image)
    outcome = score("d", ["prompt-color", "darker:Darker"], "o.jsonl")
    assert (outcome.scored, outcome.reused, outcome.stale) == (0, 4, 2)
    assert rows("o.jsonl") == before


def test_a_second_run_over_the_same_images_changes_nothing(place):
    score("d", "prompt-color", "o.jsonl")
    captions(a="a blue apple", b="a blue apple")
    score("d", "prompt-color", "o.jsonl")
    before = (place / "o.jsonl").read_bytes()
    assert score("d", "prompt-color", "o.jsonl").stale == 2
    assert (place / "o.jsonl").read_bytes() == before


def test_another_rankers_rows_of_the_earlier_prompt_no_longer_count_either(place):
    score("d", ["prompt-color", "contrast"], "o.jsonl")
    captions(a="a blue apple", b="a red apple")
    assert score("d", "prompt-color", "o.jsonl").stale == 2
    assert {(row["image"], row["ranker"]) for row in rows("o.jsonl")} == {
        ("d/a.png", "prompt-color"), ("d/b.png", "prompt-color"), ("d/b.png", "contrast"),
    }  # fmt: skip


def test_an_image_that_is_scored_from_another_folder_counts_once_per_ranker(place):
    folder(place / "d" / "sub", "c", "a red apple")
    (place / "d" / "metadata.jsonl").unlink()
    folder(place / "d", "ab", "a red apple")
    score("d", ["contrast", "sharpness"], "o.jsonl")
    score("d/sub", "contrast", "o.jsonl")
    counted = [(row["image"], row["ranker"]) for row in rows("o.jsonl")]
    assert len(counted) == len(set(counted)) == 6


def test_what_a_part_of_the_images_or_another_folder_was_scored_for_still_counts(place):
    folder(place / "e", "ab", "a cat")
    score(["d", "e"], "contrast", "o.jsonl")
    for paths, limit in (("e", None), ("d", 1), ("e/a.png", None)):
        score(paths, "contrast", "o.jsonl", limit=limit)
        assert {row["image"] for row in rows("o.jsonl")} == {
            f"{side}/{name}.png" for side in "de" for name in "ab"
        }
    captions("d/part.jsonl", a="a red apple")
    score("d/part.jsonl", "contrast", "o.jsonl")
    assert len(rows("o.jsonl")) == 4


def test_prune_and_a_limit_are_refused_together(place):
    with pytest.raises(UsageError, match="--prune .* --limit"):
        score("d", "contrast", "o.jsonl", limit=1, prune=True)


def test_images_in_an_archive_and_below_a_folder_that_may_not_be_read_are_not_taken_for_gone(place):
    import tarfile

    with tarfile.open(place / "d" / "x.tar", "w") as archive:
        archive.add(save_image(place / "m.png", 5), "m.png")
    score("d", "contrast", "o.jsonl")
    assert score("d", "contrast", "o.jsonl").stale == 0
    assert "m.png" in by_name(rows("o.jsonl"))


def test_an_image_of_a_grid_is_there_as_long_as_its_file_is(place):
    surveys = survey(["d"], grid=(2, 1))
    engine.score(surveys, [prepare("contrast")], place / "o.jsonl")
    assert score("d", "contrast", "o.jsonl").stale == 0 and len(rows("o.jsonl")) == 6
    (place / "d" / "b.png").unlink()
    captions(a="a red apple")
    assert score("d", "contrast", "o.jsonl").stale == 3


def test_a_detail_of_a_rankers_own_by_that_name_makes_no_row_stale(place):
    (place / "own.py").write_text(
        "class Own:\n    kind = 'pointwise'\n    def rank(self, groups):\n"
        "        from rankkit import Ranking\n"
        "        return [Ranking((1.0,) * len(g.images), 'pointwise', None, ({'stale': 'bread'},) * "
        "len(g.images)) for g in groups]\n"
    )
    score("d", "own:Own", "o.jsonl")
    assert len(keyed(rows("o.jsonl"))) == 2 and rows("o.jsonl")[0]["details"]["stale"] == "bread"
