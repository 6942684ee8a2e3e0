"""nsfw equals transformers' own classifier, and what it rejects ranks last behind a veto."""

from pathlib import Path

import pytest
import tiny_nsfw as tiny

import rankkit
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_nsfw import Nsfw
from rankkit_torch import golden
from rankkit_torch.testing import clip_folder, damage, sample_images, score_each, tiny_clip_config

GOLDEN = Path(__file__).parent.parent / "golden.json"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("nsfw"))


def test_nsfw_passes_the_contract_check(options):
    check_ranker(
        rankkit.load("nsfw", **options, batch_size=3),
        reload=lambda **more: rankkit.load("nsfw", **options, **more),
    )


def test_scores_equal_transformers_own_classifier(options):
    ours = [scored.score for scored in score_each(Nsfw(**options), sample_images())]
    golden.assert_parity(ours, tiny.reference(sample_images(), [], **options))
    assert all(0 <= score <= 1 for score in ours)


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(GOLDEN, tiny, tmp_path, prompts=1)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(GOLDEN, tiny, tmp_path)


def test_what_it_rejects_ranks_last_behind_a_veto_whatever_its_other_score(options, tmp_path):
    images = sample_images()[:8]
    for place, image in enumerate(images):
        image.save(tmp_path / f"{place}.png")
    safe = [scored.score for scored in score_each(Nsfw(**options), images)]
    bound = sorted(safe)[4]  # half of them are below
    ranker = rankkit.veto(rankkit.load("contrast"), by=rankkit.load("nsfw", **options), below=bound)
    rows = sorted(
        rankkit.score([tmp_path], [ranker], output=tmp_path / "rows.jsonl"), key=lambda row: row["image"]
    )
    vetoed = [row["details"]["vetoed"] for row in rows]
    assert vetoed == [score < bound for score in safe] and sum(vetoed) == 4
    passed = [row for row in rows if not row["details"]["vetoed"]]
    assert {row["rank"] for row in rows if row["details"]["vetoed"]} == {6.5}
    by_contrast = sorted(passed, key=lambda row: -row["details"]["ranker"])
    assert [row["rank"] for row in by_contrast] == [1, 2, 3, 4]


def test_probabilities_of_several_unsafe_labels_are_added(tmp_path):
    checkpoint = tiny.checkpoint(tmp_path, ("drawings", "hentai", "neutral", "porn"))["checkpoint"]
    image = sample_images()[3]
    one, two, both = (
        score_each(Nsfw(checkpoint=checkpoint, unsafe=unsafe), [image])[0].score
        for unsafe in ("hentai", "porn", "hentai|porn")
    )
    assert 1 - both == pytest.approx((1 - one) + (1 - two))


@pytest.mark.parametrize("unsafe", ["sfw", "normal|nsfw", ""])
def test_labels_that_are_not_the_models_are_refused_with_those_there_are(options, unsafe):
    with pytest.raises(BadOption, match="normal, nsfw"):
        rankkit.load("nsfw", **options, unsafe=unsafe)


def test_it_needs_no_prompt(options):
    assert not prepare("nsfw", **options).needs_prompt


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(tmp_path / "model.safetensors", how)
    with pytest.raises(BrokenRanker, match=str(tmp_path)):
        rankkit.load("nsfw", **options)


def test_another_kind_of_model_is_refused_by_its_type(tmp_path):
    with pytest.raises(BrokenRanker, match="a model of the type clip, not a vit"):
        rankkit.load("nsfw", checkpoint=str(clip_folder(tmp_path, tiny_clip_config())))
