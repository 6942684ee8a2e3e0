"""`rankkit.score`, `Scores` and `best_of`: the same from Python, on paths and on images in memory."""

import math
from pathlib import Path

import pytest
from PIL import Image
from score_runs import folder, keyed, rows, save_image
from score_runs import score as by_engine

import rankkit
from rankkit import Group, RankkitError, Scores, UsageError
from rankkit.io.formats import read_rows


@rankkit.pointwise
def brightness(image):
    """Prefer bright images."""
    return image.convert("L").resize((1, 1)).getpixel((0, 0))


def grey(level):
    return Image.new("RGB", (8, 8), (level,) * 3)


GROUPS = [Group("a cat", (grey(10), grey(30), grey(20))), Group("a dog", (grey(5), grey(6)))]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "cats", "abc", "a cat")
    folder(tmp_path / "dogs", "de", "a dog")
    return tmp_path


def test_paths_are_scored_as_the_command_does(place):
    found = rankkit.score(["cats", "dogs"], ["sharpness", "contrast"])
    by_engine(["cats", "dogs"], ["sharpness", "contrast"], place / "s.jsonl")
    assert list(found) == rows(place / "s.jsonl") and len(found) == 10
    assert found.images == ["cats/a.png", "cats/b.png", "cats/c.png", "dogs/d.png", "dogs/e.png"]
    assert found.rankers == ["sharpness", "contrast"] and not list(place.glob("*.journal"))


def test_a_prompt_and_a_function_will_do(place):
    save_image(place / "one.png", 1)
    (row,) = rankkit.score("one.png", brightness, prompt="a bird")
    assert (row["prompt"], row["ranker"], row["kind"], row["rank"]) == (
        "a bird",
        "brightness",
        "pointwise",
        1.0,
    )


def test_output_keeps_the_rows_and_goes_on(place):
    first = rankkit.score("cats", "sharpness", output="s.jsonl")
    said = []
    again = rankkit.score(Path("cats"), "sharpness", output=Path("s.jsonl"), say=said.append)
    assert list(first) == list(again) == rows(place / "s.jsonl")
    other = rankkit.score("dogs", ["contrast"], output="s.jsonl")
    assert other.rankers == ["contrast"] and other.images == ["dogs/d.png", "dogs/e.png"]
    assert len(keyed(rows(place / "s.jsonl"))) == 5 and said


def test_only_specs_over_paths_go_on_in_a_file_that_exists(place):
    rankkit.score("cats", brightness, output="s.jsonl")
    for images, ranker in (("cats", brightness), (GROUPS, "sharpness")):
        with pytest.raises(UsageError, match="only a run of specs over paths can go on"):
            rankkit.score(images, ranker, output="s.jsonl")
        assert rankkit.score(images, ranker, output="s.jsonl", overwrite=True)


def test_groups_in_memory_are_scored_and_shown(place):
    found = rankkit.score(GROUPS, {"bright": brightness, "sharp": "sharpness"}, output="s.csv")
    assert [row["rank"] for row in found[:5]] == [3.0, 1.0, 2.0, 2.0, 1.0]
    assert [row["image"] for row in found[3:5]] == ["group-1/0", "group-1/1"]
    assert found.rankers == ["bright", "sharp"] and list(read_rows("s.csv")) == list(found)
    assert found.best(1, by="bright").images == ["group-0/1", "group-1/1"]
    assert found.open("group-0/1").getpixel((0, 0)) == (30, 30, 30)


def test_a_group_without_a_prompt_abstains_where_one_is_needed():
    found = rankkit.score(
        [Group("", (grey(1),)), Group("a red square", (Image.new("RGB", (8, 8), "red"),))], "prompt-color"
    )
    assert [row["score"] is None for row in found] == [True, False]
    assert found[0]["error"] == "prompt-color needs a prompt, and this group has none"


@pytest.mark.parametrize("images, rankers, options, words", [
    ([], "sharpness", {}, "no images"), ("cats", [], {}, "no ranker"),
    ("nowhere", "sharpness", {}, "nowhere"),
    (GROUPS, "sharpness", {"prompt": "x"}, "groups have their prompts"),
    (["cats", GROUPS[0]], "sharpness", {}, "groups"), ("cats", "nobody", {}, "no ranker is named"),
    ("cats", [lambda image: 1, lambda image: 2], {}, "two rankers are called"),
    ([Group("x", (), id="g"), Group("y", (), id="g")], "sharpness", {}, "the same id"),
])  # fmt: skip
def test_a_wrong_request_is_refused_by_name(place, images, rankers, options, words):
    with pytest.raises(UsageError, match=words):
        rankkit.score(images, rankers, **options)


# --- Scores ---


def test_the_best_are_scores_again_and_stand_best_first(place):
    found = rankkit.score(["cats", "dogs"], ["sharpness", "contrast"])
    by_sharpness = {row["image"]: row["score"] for row in found if row["ranker"] == "sharpness"}
    in_order = sorted(by_sharpness, key=lambda name: (-by_sharpness[name], name))
    assert found.best(2, per="all", by="sharpness").images == in_order[:2]
    best = found.best()
    assert isinstance(best, Scores) and len(best.images) == 2 and best.rankers == ["sharpness", "contrast"]
    one_sided = found.best(1, by={"sharpness": 100, "contrast": 1})
    assert one_sided.images == found.best(1, by="sharpness").images
    with pytest.raises(UsageError, match="no rows of it"):
        found.best(by="hpsv3")


def test_scores_become_a_table_with_nan_for_abstentions(place):
    pytest.importorskip("pandas")
    (place / "cats" / "bad.png").write_bytes(b"no image")
    frame = rankkit.score("cats", "sharpness").to_pandas()
    assert list(frame.columns)[:3] == ["group", "prompt", "image"] and len(frame) == 4
    assert math.isnan(frame.set_index("image").score["cats/bad.png"]) and frame.score.dtype == "float64"


def test_a_notebook_shows_images_and_what_was_said_of_them(place):
    (place / "cats" / "<b>.png").write_bytes(b"no image")
    page = rankkit.score("cats", "sharpness")._repr_html_()
    assert (
        page.count("data:image/jpeg") == 3
        and "abstained" in page
        and "&lt;b&gt;" in page
        and "<b>" not in page
    )
    many = rankkit.score([Group("x", tuple(grey(i) for i in range(30)))], brightness)
    assert "and 6 more" in many._repr_html_() and many._repr_html_().count("<img") == 24


def test_an_image_of_scores_can_be_opened_or_it_is_said_why_not(place):
    found = rankkit.score("cats", "sharpness")
    assert found.open("cats/a.png").size == (24, 16)
    (place / "cats" / "a.png").unlink()
    for name, words in (("cats/a.png", "does not exist"), ("x.png", "is no image of these scores")):
        with pytest.raises(RankkitError, match=words):
            found.open(name)


# --- best_of ---


def test_best_of_gives_the_best_image_and_the_order_of_all():
    images = [grey(10), grey(30), grey(30), grey(20)]
    found = rankkit.best_of(images, "a cat", brightness)
    assert found.image is images[1] and found.index == 1 and found.order == (1, 2, 3, 0)
    assert found.ranking.ranks == (4.0, 1.5, 1.5, 3.0)
    assert rankkit.best_of(images, "", "compressibility").order == (0, 1, 2, 3)


def test_best_of_leaves_out_what_abstained_and_says_why_when_all_do():
    def picky(image):
        if image.getpixel((0, 0))[0] < 15:
            raise ValueError("too dark")
        return 1.0

    assert rankkit.best_of([grey(10), grey(30)], "", picky).order == (1,)
    with pytest.raises(RankkitError, match="picky abstained on every image: ValueError: too dark"):
        rankkit.best_of([grey(10)], "", picky)
    with pytest.raises(UsageError, match="no images"):
        rankkit.best_of([], "", picky)


def test_a_spec_is_loaded_once_for_many_calls(place, monkeypatch):
    monkeypatch.syspath_prepend(place)
    Path("counted.py").write_text(
        "built = []\nclass Counted:\n    kind = 'pointwise'\n"
        "    def __init__(self): built.append(1)\n"
        "    def rank(self, groups):\n        from rankkit import Ranking\n"
        "        return [Ranking((1.0,) * len(g.images), 'pointwise') for g in groups]\n"
    )
    for _ in range(3):
        rankkit.best_of([grey(1)], "", "counted:Counted")
    import counted

    assert len(counted.built) == 1


def test_a_built_ranker_whose_version_depends_on_options_that_are_not_known_has_none(tmp_path):
    class Weighed(rankkit.Pointwise):
        def __init__(self, *, checkpoint="published"):
            self.checkpoint = checkpoint

        @classmethod
        def version(cls, checkpoint="published"):
            return f"weights of {checkpoint}"

        def score(self, images):
            return [0.0 for _ in images]

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (row,) = rankkit.score(tmp_path, Weighed(checkpoint="my own"))
    assert row["version"] == ""
