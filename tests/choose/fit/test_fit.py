"""`rankkit fit`: a known taste is found on images that were never seen, kept in a folder, and is a ranker."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tastes import answer, discs

import rankkit
from rankkit.analysis.stats import kendall_tau_b
from rankkit.choose.fit import basic, told
from rankkit.choose.fit.collect import Collector
from rankkit.choose.fit.features import parts_of
from rankkit.choose.fit.fit import fit
from rankkit.choose.fit.folds import folds
from rankkit.choose.fit.labels import open_labels, read_labels
from rankkit.choose.fit.measured import measure
from rankkit.core.types import Group


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A folder with images, labels by a known taste, and what was fitted to them."""
    path = tmp_path_factory.mktemp("taste")
    liked = discs(path / "discs", 24)
    answer(path / "labels.jsonl", liked)
    return path, liked, fit([path / "labels.jsonl"], path / "taste")


def test_a_known_taste_is_met_on_images_that_were_not_learned_from(labelled):
    path, _, found = labelled
    assert found.held_out.taste.low > 0.6
    fresh = discs(path / "fresh", 30, seed=9)
    images = tuple(Image.open(path / name) for name in fresh)
    (ranking,) = rankkit.load(str(path / "taste")).rank([Group("a disc", images)])
    assert kendall_tau_b(ranking.scores, list(fresh.values())) > 0.4


def test_an_answer_is_tried_by_a_model_that_has_seen_neither_of_its_images():
    rng = np.random.default_rng(0)
    for images, prompts in ((20, 1), (60, 12)):
        pairs = [(int(i), int(i) // 5 * 5 + int(j)) for i, j in rng.integers(0, (images, 5), (200, 2))]
        pairs = [(i, j) for i, j in pairs if i != j]
        split = folds(pairs, [i // (images // prompts) for i, _ in pairs])
        assert split.by == ("prompts" if prompts > 1 else "images")
        for learned, tried in split:
            seen = {image for pair, used in zip(pairs, learned, strict=True) if used for image in pair}
            assert tried.any() and learned.any()
            assert not seen & {
                image for pair, used in zip(pairs, tried, strict=True) if used for image in pair
            }
        assert (split.fold >= 0).mean() > 0.9


def test_a_person_who_answers_at_random_is_foretold_no_better_than_chance(tmp_path):
    answer(tmp_path / "labels.jsonl", discs(tmp_path / "discs", 20), 150, sure=0, seed=3)
    found = fit([tmp_path / "labels.jsonl"], tmp_path / "taste")
    assert found.held_out.taste.low < 0.5
    text = " ".join(told.verdict(found))
    assert "no better than chance" in text and "written all the same" in text
    assert rankkit.load(str(tmp_path / "taste"))


def test_a_taste_that_one_feature_meets_is_no_better_than_it(tmp_path):
    liked = {name: colorfulness(tmp_path / name) for name in discs(tmp_path / "discs", 20)}
    answer(tmp_path / "labels.jsonl", liked, 150, sure=1e9)
    found = fit([tmp_path / "labels.jsonl"], tmp_path / "taste", features="basic+colorfulness")
    assert dict(found.held_out.singles)["colorfulness (ranker)"].rate == 1
    assert {"saturation", "contrast"} <= {name for name, *_ in told.singles(found)}
    text = " ".join(told.verdict(found))
    assert "It is better than the best single feature" not in text and "It is written all the same" in text


def colorfulness(path) -> float:
    (ranking,) = rankkit.load("colorfulness").rank([Group("", (Image.open(path),))])
    return ranking.scores[0]


def test_scores_are_equal_after_saving_and_fitting_again_changes_nothing(labelled):
    path, liked, found = labelled
    images = [Image.open(path / name) for name in liked]
    (ranking,) = rankkit.load(str(path / "taste")).rank([Group("a disc", tuple(images))])
    assert ranking.scores == tuple(float(found.taste.scores(basic.measure(image))) for image in images)
    again = fit([path / "labels.jsonl"], path / "again")
    assert again.taste.version == found.taste.version


def test_the_version_changes_with_labels_and_with_features(labelled, tmp_path):
    path, liked, found = labelled
    shutil.copytree(path / "discs", tmp_path / "discs")
    shutil.copy(path / "labels.jsonl", tmp_path)
    other = fit([tmp_path / "labels.jsonl"], tmp_path / "taste", features="basic+sharpness").taste.version
    answer(tmp_path / "labels.jsonl", liked, 5, seed=8)
    more = fit([tmp_path / "labels.jsonl"], tmp_path / "taste").taste.version
    assert len({found.taste.version, other, more}) == 3
    assert rankkit.load(str(tmp_path / "taste")).version == more


def test_features_of_images_that_are_known_are_not_computed_again(labelled, tmp_path):
    path, liked, _ = labelled
    answer(path / "few.jsonl", dict(list(liked.items())[:12]), 20)
    few = collected(path / "few.jsonl", tmp_path / "cache")
    assert (few.computed, collected(path / "few.jsonl", tmp_path / "cache").computed) == (12, 0)
    assert collected(path / "labels.jsonl", tmp_path / "cache").computed == 12
    whole = (tmp_path / "cache").read_bytes()
    for damaged in (b"", b"no features", whole[:-100]):
        (tmp_path / "cache").write_bytes(damaged)
        again = collected(path / "labels.jsonl", tmp_path / "cache")
        assert again.computed == 24 and (tmp_path / "cache").read_bytes() == whole


def collected(labels, cache):
    """What is measured of the images of some labels."""
    _, choices = read_labels(open_labels([labels], None), None)
    return measure(choices, Collector(parts_of("basic"), cache))


def test_nothing_counts_much_beyond_what_was_seen_of_it(labelled):
    _, _, found = labelled
    seen = np.concatenate(found.measured.matrices, 1)
    beyond = found.taste.scores(seen.max(0) + seen.std(0))
    assert found.taste.scores(seen.max(0) + 1e6) == beyond and np.isfinite(beyond)


def test_answers_that_all_share_an_image_are_fitted_and_said_to_be_untried(tmp_path):
    liked = discs(tmp_path / "discs", 16)
    names = list(liked)
    answer(tmp_path / "labels.jsonl", liked, 15, image_a=names[0], image_b=lambda n: names[n + 1])
    found = fit([tmp_path / "labels.jsonl"], tmp_path / "taste")
    assert found.held_out.tried == 0 and found.held_out.untried == 15
    assert "how well the taste is met is not known" in " ".join(told.lines(found))


def test_ties_are_half_a_win_of_either(tmp_path):
    liked = discs(tmp_path / "discs", 12)
    answer(tmp_path / "labels.jsonl", liked, 60, choice=lambda n: "tie" if n % 4 == 0 else "a")
    found = fit([tmp_path / "labels.jsonl"], tmp_path / "taste")
    assert found.measured.ties == 15
    assert found.held_out.tried + found.held_out.untried == 45


def test_labels_in_other_layouts_are_fitted_too(labelled, tmp_path):
    path, _, _ = labelled
    records = [json.loads(line) for line in (path / "labels.jsonl").read_text().splitlines()]
    pairs = [{key: each[key] for key in ("prompt", "image_a", "image_b", "choice")} for each in records]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    found = fit([tmp_path / "pairs.jsonl"], tmp_path / "taste", folder=path)
    assert found.held_out.taste.low > 0.6


def test_what_is_asked_twice_tells_how_consistent_a_person_is(tmp_path):
    liked = discs(tmp_path / "discs", 16)
    first = answer(tmp_path / "labels.jsonl", liked, 40)
    again = [
        {**each, "question": f"r{n}", "repeats": each["question"], "pick": "repeat"}
        for n, each in enumerate(first[:8])
    ]
    again[0]["choice"] = "b" if first[0]["choice"] == "a" else "a"
    with open(tmp_path / "labels.jsonl", "a") as file:
        file.writelines(json.dumps(each) + "\n" for each in again)
    found = fit([tmp_path / "labels.jsonl"], tmp_path / "taste")
    assert found.consistency is not None and found.consistency.rate == 7 / 8
    assert "Of 8 questions asked again 7 were answered as before" in " ".join(told.verdict(found))


# --- features ---


def test_basic_features_are_finite_for_any_image_and_say_nothing_of_its_resolution():
    for size in ((1, 1), (3000, 1), (1, 700), (5, 4)):
        assert np.isfinite(basic.measure(Image.new("RGB", size, (200, 10, 30)))).all()
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (512, 384), Image.Resampling.BICUBIC
    )
    small, large = (basic.measure(image.resize(size)) for size in ((512, 384), (1024, 768)))
    assert len(small) == len(basic.NAMES) == len(set(basic.NAMES))
    assert np.abs(small - large).max() < 0.05 * np.abs(small).max()


def test_a_figure_at_the_left_has_its_middle_at_the_left():
    image = Image.new("RGB", (90, 60), "white")
    image.paste((200, 0, 0), (5, 20, 25, 40))
    found = dict(zip(basic.NAMES, basic.measure(image), strict=True))
    assert found["figure-x"] < -0.5 and abs(found["figure-y"]) < 0.1
    assert found["red-green"] > 0 and found["color-red"] > 0
