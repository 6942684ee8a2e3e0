"""hpsv3 passes the contract check, equals its model written out, reads published keys strictly."""

import math
from pathlib import Path

import pytest
import tiny_hpsv3 as tiny
import torch
from PIL import Image

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker, sample_groups
from rankkit_hpsv3 import HPSv3, official, plan
from rankkit_hpsv3.model import renamed
from rankkit_hpsv3.question import Asker, fitted, patches
from rankkit_torch import golden, normalized_pixels
from rankkit_torch.testing import PROMPTS, SAME_PIXEL, damage, sample_images, score_each


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("hpsv3"))


@pytest.mark.slow
def test_hpsv3_passes_the_contract_check(options):
    load = lambda **more: rankkit.load("hpsv3", **options, **{"dtype": "float32", **more})  # noqa: E731
    check_ranker(load(batch_size=3), reload=load)


def test_hpsv3_passes_the_contract_check_on_one_group(options):
    check_ranker(
        rankkit.load("hpsv3", **options, dtype="float32"),
        groups=[group for group in sample_groups() if len(group.images) == 3][:1],
    )


def test_scores_equal_the_language_model_written_out(options):
    images = sample_images()[: len(PROMPTS)]
    ours = [scored.score for scored in score_each(HPSv3(**options, dtype="float32"), images, PROMPTS)]
    theirs = tiny.reference(images, PROMPTS, **options)
    golden.assert_parity(ours, theirs)


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path, prompts=1)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.slow
def test_all_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_positions_simply_count_and_do_not_follow_the_grid(options):
    ranker, image = HPSv3(**options, dtype="float32"), sample_images()[3]
    (question,) = ranker.asker.ask([ranker.prepare(image)], ["a fox"])
    batch = {name: tensor.to(ranker.device) for name, tensor in ranker.asker.batch([question]).items()}
    mean, ids = float(ranker.model.answer(batch, ranker.device)[0, 0]), batch["ids"]
    marks = (ids == ranker.asker.tokens.placeholder).int()
    grid = {
        "pixel_values": batch["patches"],
        "image_grid_thw": batch["grids"],
        "mm_token_type_ids": marks,
        "attention_mask": batch["mask"],
    }
    with torch.no_grad():
        hidden = ranker.model.model(input_ids=ids, **grid).last_hidden_state[0, batch["places"][0]]
        assert abs(float(ranker.model.rm_head(hidden)[0]) - mean) > 1e-3 * abs(mean)


def test_the_second_number_becomes_the_standard_error(options):
    for scored in score_each(HPSv3(**options), sample_images()[:2], ["a fox", "a dog"]):
        assert scored.stderr == pytest.approx(math.exp(scored.details["log_sigma"])) and scored.stderr > 0


def test_batches_hold_no_more_tokens_than_the_budget():
    lengths = [700, 20, 710, 650, 30, 2000]
    batches = plan(lengths, most=2, budget=1500)
    assert sorted(place for batch in batches for place in batch) == list(range(6))
    assert all(
        len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= 1500 for batch in batches
    )
    assert max(map(len, batches)) == 2


def test_companions_in_a_batch_do_not_move_a_score(options):
    images, prompts = sample_images()[:3], ["a fox", "a dog " * 40, ""]
    alone, together = (
        score_each(HPSv3(**options, dtype="float32", batch_size=size), images, prompts) for size in (1, 3)
    )
    golden.assert_parity([found.score for found in together], [found.score for found in alone])


@pytest.mark.parametrize("image", sample_images(), ids=lambda image: f"{image.width}x{image.height}")
def test_images_are_fitted_and_cut_into_patches_as_transformers_does(image):
    from transformers import Qwen2VLImageProcessorPil

    size = fitted(*image.size)
    assert tiny.fit(image).size == size and 0.5 < size[0] * size[1] / (256 * 28 * 28) < 2
    found = Qwen2VLImageProcessorPil(min_pixels=56 * 56, max_pixels=2**24)(
        images=[tiny.fit(image)], return_tensors="pt"
    )
    ours = torch.from_numpy(patches(normalized_pixels(tiny.fit(image))))
    assert (
        ours.shape == found["pixel_values"].shape and (ours - found["pixel_values"]).abs().max() < SAME_PIXEL
    )
    assert found["image_grid_thw"].tolist() == [[1, size[1] // 14, size[0] // 14]]


def test_an_image_or_prompt_that_the_model_cannot_take_is_abstained_on_alone(options):
    images = (Image.new("RGB", (1, 300)), sample_images()[0])
    ranker = rankkit.load("hpsv3", **options)
    (ranking,) = ranker.rank([rankkit.Group("a fox", images)])
    assert [math.isnan(score) for score in ranking.scores] == [
        True,
        False,
    ] and "too narrow" in ranking.details[0]["error"]
    (ranking,) = ranker.rank([rankkit.Group("a <|Reward|> fox", images[1:])])
    assert "mark of the model itself" in ranking.details[0]["error"]


def test_rows_say_what_was_seen(options):
    (scored,) = score_each(HPSv3(**options), [Image.new("RGB", (512, 512))], ["fox"])
    assert {key: scored.details[key] for key in ("prompt_truncated", "resized")} == {
        "prompt_truncated": False,
        "resized": "448x448",
    }


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(tmp_path / "HPSv3.safetensors", how)
    with pytest.raises(BrokenRanker, match=r"HPSv3\.safetensors"):
        rankkit.load("hpsv3", **options)


def test_a_tokenizer_with_more_tokens_than_the_weights_is_refused(options, tmp_path):
    with pytest.raises(BrokenRanker, match="do not belong together"):
        Asker(Path(options["base"]), 100)


def test_published_keys_are_renamed_and_back():
    for key in ("model.layers.3.self_attn.q_proj.bias", "visual.blocks.0.attn.qkv.weight", "rm_head.5.bias"):
        assert tiny.published(renamed(key)) == key


def test_weights_and_base_are_both_in_the_version(options):
    assert prepare("hpsv3", **options).identity.version.count("sha256:") == 2


def test_the_official_twin_says_which_package_is_missing():
    with pytest.raises(BrokenRanker, match="hpsv3"):
        rankkit.load("rankkit_hpsv3.official:Official")


def test_the_original_package_gets_its_own_configuration_with_another_base_device_and_dtype(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "HPSv3_7B.yaml").write_text(
        'rm_head_type: "ranknet"\nbf16: True\ntorch_dtype: "bfloat16"\n'
    )
    text = Path(official._configuration(tmp_path, tmp_path, "/models/base", "cpu", "float32")).read_text()
    assert set(text.splitlines()) == {
        "rm_head_type: ranknet", "model_name_or_path: /models/base", "torch_dtype: float32", "bf16: false",
        "use_cpu: true", "report_to: none",
    }  # fmt: skip
