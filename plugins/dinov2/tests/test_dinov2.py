"""dinov2 equals transformers' own model, compares with the reference that is named, and abstains without."""

import json
import math
import re
from pathlib import Path

import pytest
import tiny_dinov2 as tiny
from PIL import Image

import rankkit
from rankkit import Group
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker, sample_groups
from rankkit_dinov2 import Dinov2
from rankkit_torch import golden
from rankkit_torch.testing import clip_folder, damage, sample_images, score_each, tiny_clip_config

GOLDEN = Path(__file__).parent.parent / "golden.json"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("dinov2"))


@pytest.fixture(scope="module")
def bare(options):
    """The ranker without a reference of its own."""
    return Dinov2(checkpoint=options["checkpoint"])


def test_dinov2_passes_the_contract_check(options):
    check_ranker(
        rankkit.load("dinov2", **options, batch_size=3),
        reload=lambda **more: rankkit.load("dinov2", **options, **more),
    )


def test_scores_equal_transformers_own_model(options):
    ours = [scored.score for scored in score_each(Dinov2(**options), sample_images())]
    golden.assert_parity(ours, tiny.reference(sample_images(), [], **options))


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(GOLDEN, tiny, tmp_path)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(GOLDEN, tiny, tmp_path)


def test_an_image_is_most_like_itself(bare):
    one, two = sample_images()[3:5]
    (ranking,) = bare.rank([Group("", (two, one), metadata={"reference": one})])
    assert ranking.scores[1] == pytest.approx(1) and ranking.ranks == (2, 1)


def test_a_reference_is_an_image_or_a_path_in_the_metadata_or_the_option(bare, options):
    image, path = sample_images()[7], options["reference"]
    (by_path,), (by_image,) = (
        bare.rank([Group("", (image,), metadata={"reference": given})]) for given in (path, Image.open(path))
    )
    (by_option,) = Dinov2(**options).rank([Group("", (image,))])
    assert by_path.scores == by_image.scores == by_option.scores
    assert by_path.details[0]["references"] == {path: by_path.scores[0]}


def test_metadata_goes_before_the_option(options):
    other = sample_images()[4]
    (ranking,) = Dinov2(**options).rank([Group("", (other,), metadata={"reference": other})])
    assert ranking.scores == (pytest.approx(1),)


def test_of_several_references_the_mean_counts(bare):
    image, *references = sample_images()[4:7]
    together, *alone = (
        bare.rank([Group("", (image,), metadata={"reference": given})])[0]
        for given in (references, *references)
    )
    assert together.scores[0] == pytest.approx(sum(each.scores[0] for each in alone) / 2)
    assert list(together.details[0]["references"]) == ["image 1", "image 2"]


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "none is named.*rankkit fit LABELS --features dinov2"),
        ({"reference": ""}, "none is named"),
        ({"reference": "nowhere.png"}, "reference 'nowhere.png': does not exist"),
        ({"reference": "https://example.org/a.png"}, "is an address; download it"),
        ({"reference": 7}, "'7' is neither an image nor the path of one"),
        ({"reference": ["nowhere.png", 7]}, "nowhere.png"),
    ],
)
def test_without_a_reference_that_can_be_read_an_image_abstains_and_says_why(bare, metadata, reason):
    fine = sample_images()[3]
    ranking, other = bare.rank(
        [Group("", (fine,), metadata=metadata), Group("", (fine,), metadata={"reference": fine})]
    )
    assert math.isnan(ranking.scores[0]) and other.scores == (pytest.approx(1),)
    assert re.search(reason, ranking.details[0]["error"])


def test_with_a_folder_nothing_outside_of_it_is_read(options, tmp_path):
    (tmp_path / "in").mkdir()
    for place in ("in/mine.png", "secret.png"):
        sample_images()[3].save(tmp_path / place)
    ranker = Dinov2(**options, folder=str(tmp_path / "in"))
    named = ["mine.png", "../secret.png", str(tmp_path / "secret.png")]
    groups = [Group("", (sample_images()[3],), metadata={"reference": name}) for name in named]
    inside, *outside = ranker.rank(groups)
    assert inside.scores == (pytest.approx(1),)
    assert all("does not lie in the folder" in each.details[0]["error"] for each in outside)


def test_a_reference_that_cannot_be_read_is_refused_before_weights_are_loaded(options):
    with pytest.raises(BadOption, match=r"reference='nowhere\.png': does not exist"):
        rankkit.load("dinov2", checkpoint=options["checkpoint"], reference="nowhere.png")


def test_another_reference_file_and_other_weights_are_other_versions(options, tmp_path):
    (tmp_path / "other").mkdir()
    other = tiny.checkpoint(tmp_path / "other", seed=1)
    sample_images()[4].save(tmp_path / "new.png")
    given = [options, {**options, "reference": str(tmp_path / "new.png")}, {**options, **other}]
    versions = {prepare("dinov2", **each).identity.version for each in given}
    assert len(versions) == 3 and all(each.endswith("+pil") for each in versions)


def test_a_folder_whose_metadata_names_references_is_scored_and_another_reference_is_scored_anew(
    options, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    images = sample_images()[3:6]
    for name, image in zip("abc", images, strict=True):
        image.save(f"{name}.png")
    Path("images").mkdir()
    images[0].save("images/1.png")
    spec = f"dinov2:checkpoint={options['checkpoint']}"

    def scored(reference):
        line = {"file_name": "1.png", "prompt": "a thing", "reference": reference}
        Path("images/metadata.jsonl").write_text(json.dumps(line))
        (row,) = rankkit.score(["images"], [spec], output="rows.jsonl")
        return row["score"]

    assert scored("a.png") == pytest.approx(1)
    assert scored("b.png") < 0.999


def test_it_needs_no_prompt(options):
    assert not prepare("dinov2", **options).needs_prompt


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(tmp_path / "model.safetensors", how)
    with pytest.raises(BrokenRanker, match=str(tmp_path)):
        rankkit.load("dinov2", **options)


def test_another_kind_of_model_is_refused_by_its_type(tmp_path):
    with pytest.raises(BrokenRanker, match=r"a model of the type clip, not dinov2"):
        rankkit.load("dinov2", checkpoint=str(clip_folder(tmp_path, tiny_clip_config())))


def test_embeddings_are_unit_vectors_and_need_no_reference(bare):
    vectors = bare.embed([image for group in sample_groups() for image in group.images])
    assert vectors.shape[1] == 32 and (vectors**2).sum(1) == pytest.approx(1)
