"""aesthetic passes the contract check, equals the published loop, and needs no prompt."""

from pathlib import Path

import pytest
import tiny_aesthetic as tiny
import torch

import rankkit
from rankkit.errors import BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_aesthetic import Aesthetic
from rankkit_torch import golden
from rankkit_torch.testing import SAME_PIXEL, clip_folder, damage, sample_images, score_each, tiny_clip_config


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("aesthetic"))


def test_aesthetic_passes_the_contract_check(options):
    check_ranker(
        rankkit.load("aesthetic", **options, batch_size=3),
        reload=lambda **more: rankkit.load("aesthetic", **options, **more),
    )


def test_scores_equal_the_published_loop(options):
    ours = [scored.score for scored in score_each(Aesthetic(**options), sample_images())]
    theirs = tiny.reference(sample_images(), [], **options)
    golden.assert_parity(ours, theirs)


def test_images_are_prepared_as_torchvision_does():
    transforms = pytest.importorskip("torchvision.transforms", exc_type=Exception)
    official = transforms.Compose(
        [
            transforms.Resize(56, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(56),
            transforms.ToTensor(),
        ]
    )
    from rankkit_torch import normalized_pixels, resize_center_crop

    for image in sample_images():
        ours = torch.from_numpy(normalized_pixels(resize_center_crop(image, 56), (0, 0, 0), (1, 1, 1)))
        assert (official(image) - ours).abs().max() < SAME_PIXEL, image.size


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_it_needs_no_prompt(options):
    assert not prepare("aesthetic", **options).needs_prompt


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_head_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(tmp_path / "head.pth", how)
    with pytest.raises(BrokenRanker, match=r"head\.pth"):
        rankkit.load("aesthetic", **options)


def test_a_clip_with_another_activation_is_refused(options, tmp_path):
    folder = clip_folder(tmp_path, tiny_clip_config("gelu"))
    with pytest.raises(BrokenRanker, match="gelu.*quick_gelu"):
        rankkit.load("aesthetic", **{**options, "clip": str(folder)})


def test_a_clip_that_sees_larger_images_than_the_head_was_trained_on_is_refused(options, tmp_path):
    config = tiny_clip_config("quick_gelu")
    config.vision_config.image_size = 336
    folder = clip_folder(tmp_path, config)
    with pytest.raises(BrokenRanker, match="336 pixels a side.*give clip=openai"):
        rankkit.load("aesthetic", **{**options, "clip": str(folder)})


def test_another_head_is_another_version(options, tmp_path):
    other = damage(Path(tiny.checkpoint(tmp_path)["checkpoint"]), "unexpected")
    versions = [
        prepare("aesthetic", **{**options, "checkpoint": place}).identity.version
        for place in (options["checkpoint"], str(other))
    ]
    assert versions[0] != versions[1] and versions[0].count("sha256:") == 2
