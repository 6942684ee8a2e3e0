"""imagereward passes the contract check, equals its network written out, reads keys strictly."""

from pathlib import Path

import numpy as np
import pytest
import tiny_imagereward as tiny
import torch

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_imagereward import ImageReward
from rankkit_imagereward.model import renamed
from rankkit_torch import golden
from rankkit_torch.testing import LONG, PROMPTS, damage, sample_images, score_each


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("imagereward"))


def test_imagereward_passes_the_contract_check(options):
    load = lambda **more: rankkit.load("imagereward", **options, **more)  # noqa: E731
    check_ranker(load(batch_size=3), reload=load)


def test_scores_equal_the_network_written_out(options):
    images, prompts = sample_images()[: len(PROMPTS)], PROMPTS
    ours = [scored.score for scored in score_each(ImageReward(**options), images, prompts)]
    theirs = tiny.reference(images, prompts, **options)
    golden.assert_parity(ours, theirs)


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.slow
def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.slow
def test_scores_at_full_size_are_those_of_the_original_package(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path, size="full", prompts=1)


def test_rows_say_that_the_prompt_was_cut_at_35_tokens(options):
    image = sample_images()[0]
    scored = score_each(ImageReward(**options), [image] * 3, ["red " * 33, "red " * 34, LONG])
    assert [found.details["prompt_tokens"] for found in scored[:2]] == [35, 36]
    assert [found.details["prompt_truncated"] for found in scored] == [False, True, True]
    assert scored[0].score == pytest.approx(scored[1].score, abs=golden.TOLERANCE)  # the spread is about 4


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(tmp_path / "ImageReward.pt", how)
    with pytest.raises(BrokenRanker, match=r"ImageReward\.pt"):
        rankkit.load("imagereward", **options)


def test_the_checkpoint_of_another_model_is_said_to_be_one(options, tmp_path):
    torch.save({"layers.0.weight": torch.ones(2, 2)}, tmp_path / "head.pt")
    with pytest.raises(BrokenRanker, match=r"ImageReward.*vision\.embeddings"):
        rankkit.load("imagereward", **{**options, "checkpoint": str(tmp_path / "head.pt")})


def test_every_published_key_gets_a_name_of_its_own():
    keys = list(tiny.shapes())
    assert len({renamed(key) for key in keys}) == len(keys)
    assert (
        renamed("blip.visual_encoder.blocks.23.attn.proj.bias")
        == "vision.encoder.layers.23.self_attn.projection.bias"
    )
    assert (
        renamed("blip.text_encoder.encoder.layer.0.crossattention.self.key.weight")
        == "text.encoder.layer.0.crossattention.self.key.weight"
    )


def test_the_published_sizes_make_447_million_weights():
    assert sum(np.prod(shape) for shape in tiny.shapes(**tiny.FULL).values()) == pytest.approx(
        447e6, rel=0.01
    )


def test_weights_and_words_are_both_in_the_version(options):
    assert prepare("imagereward", **options).identity.version.count("sha256:") == 2


def test_the_official_twin_says_which_package_is_missing():
    with pytest.raises(BrokenRanker, match="ImageReward"):
        rankkit.load("rankkit_imagereward.official:Official")
