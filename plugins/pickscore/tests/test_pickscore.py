"""PickScore passes the contract check, equals transformers' own loop, loads only its own weights."""

from pathlib import Path

import pytest
import tiny_pickscore as tiny

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker, sample_groups
from rankkit_pickscore import PickScore
from rankkit_torch import golden
from rankkit_torch.testing import LONG, clip_folder, damage, score_each, tiny_clip_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("pickscore"))["checkpoint"]


def test_pickscore_passes_the_contract_check(folder):
    check_ranker(
        rankkit.load("pickscore", checkpoint=folder, batch_size=3),
        reload=lambda **options: rankkit.load("pickscore", checkpoint=folder, **options),
    )


def test_scores_equal_the_plain_loop(folder):
    images = [image for group in sample_groups() for image in group.images]
    prompts = [group.prompt for group in sample_groups() for _ in group.images]
    ours = [scored.score for scored in score_each(PickScore(checkpoint=folder), images, prompts)]
    theirs = tiny.reference(images, prompts, checkpoint=folder)
    golden.assert_parity(ours, theirs)


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "truncated or damaged"),
        ("pickle", "a pickle that is not weights"),
        ("missing", r"1 key is missing \(visual_projection.weight\)"),
        ("unexpected", r"1 key is unexpected \(stranger.weight\)"),
    ],
)
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how, message):
    folder = clip_folder(tmp_path, tiny_clip_config())
    damage(folder / "model.safetensors", how)
    with pytest.raises(BrokenRanker, match=message):
        rankkit.load("pickscore", checkpoint=str(folder))


def test_a_checkpoint_that_is_one_file_is_refused_with_what_is_expected(folder):
    with pytest.raises(BrokenRanker, match=r"no CLIP folder of transformers"):
        rankkit.load("pickscore", checkpoint=folder + "/model.safetensors", processor=folder)


def test_rows_say_how_long_the_prompt_was_and_what_was_cut(folder):
    image = sample_groups()[2].images[0]  # 96 x 64
    (cut,) = score_each(PickScore(checkpoint=folder), [image], [LONG])
    assert cut.details["prompt_truncated"] and cut.details["prompt_tokens"] > 77
    assert cut.details["resized"] == "42x28" and cut.details["cropped"] == pytest.approx(1 / 3, abs=1e-4)


def test_the_version_is_known_before_weights_are_loaded_and_changes_with_them(folder, tmp_path):
    other = clip_folder(tmp_path, tiny_clip_config(), seed=1)
    first, again, second = (
        prepare("pickscore", checkpoint=str(place)).identity.version for place in (folder, folder, other)
    )
    assert first == again != second and first.startswith("0.1.0+sha256:") and first.endswith("+pil")


def test_half_precision_orders_nearly_as_full(folder):
    full, half = (
        golden.scores_of(PickScore(checkpoint=folder, dtype=dtype)) for dtype in ("float32", "bfloat16")
    )
    assert golden.difference(half, full)["kendall_mean"] >= 0.95
