"""hpsv2 passes the contract check, equals open_clip's plain loop, and fits images as torchvision does."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import rankkit
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_torch import golden
from rankkit_torch.testing import LONG, PROMPTS, SAME_PIXEL, damage, sample_images, score_each

pytest.importorskip("open_clip", exc_type=Exception)

import tiny_hpsv2 as tiny

from rankkit_hpsv2 import HPSv2, official_setup
from rankkit_hpsv2.letterbox import letterbox


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("hpsv2"))


def test_hpsv2_passes_the_contract_check(options):
    load = lambda **more: rankkit.load("hpsv2", **options, **more)  # noqa: E731
    check_ranker(load(batch_size=3), reload=load)


def test_scores_equal_the_plain_loop_of_open_clip(options):
    images = sample_images()[: len(PROMPTS)]
    ours = [scored.score for scored in score_each(HPSv2(**options), images, PROMPTS)]
    golden.assert_parity(ours, tiny.reference(images, PROMPTS, **options))


@pytest.mark.parametrize("size", [28, 224])
def test_images_are_fitted_as_torchvision_does(size):
    for image in sample_images():
        if max(image.size) != size or image.width == image.height:
            apart = letterbox(image, size) - tiny.transform(image, size)
            assert apart.abs().max() < SAME_PIXEL, image.size


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(Path(__file__).parent.parent / "golden.json", tiny, tmp_path)


@pytest.mark.slow
def test_scores_at_full_size_are_those_of_the_original_package(tmp_path):
    golden.check(Path(__file__).parent.parent / "golden.json", tiny, tmp_path, size="full", prompts=1)


@pytest.mark.parametrize(
    ("size", "reason"), [((1, 640), "too narrow"), ((28, 14), "not padded by the authors' transform")]
)
def test_an_image_on_which_the_original_fails_is_abstained_on_and_no_other(options, size, reason):
    group = rankkit.Group("a red circle", (Image.new("RGB", size), *sample_images()[:2]))
    (ranking,) = rankkit.load("hpsv2", **options).rank([group])
    assert [np.isnan(score) for score in ranking.scores] == [True, False, False]
    assert reason in ranking.details[0]["error"]


def test_rows_say_how_image_and_prompt_were_fitted(options):
    (scored,) = score_each(HPSv2(**options), [Image.new("RGB", (56, 28))], [LONG])
    assert scored.details == {
        "prompt_tokens": 134,
        "prompt_truncated": True,
        "resized": "28x14",
        "padded": 0.5,
    }


def test_a_folder_is_asked_for_the_file_of_the_version(options):
    folder = str(Path(options["checkpoint"]).parent)
    rankkit.load("hpsv2:version=2.1,model=tiny-hps", checkpoint=folder)
    with pytest.raises(BrokenRanker, match=r"holds no HPS_v2_compressed\.pt"):
        rankkit.load("hpsv2:version=2.0,model=tiny-hps", checkpoint=folder)
    with pytest.raises(BadOption, match=r"version='3' is not one of 2\.0, 2\.1"):
        prepare("hpsv2:version=3")


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(Path(options["checkpoint"]), how)
    with pytest.raises(BrokenRanker, match=r"HPS_v2\.1_compressed\.pt"):
        rankkit.load("hpsv2", **options)


def test_weights_without_their_wrapping_are_not_silently_ignored(options, tmp_path):
    """The published file holds its weights under state_dict; read elsewhere, nothing would match."""
    with pytest.raises(BrokenRanker, match="keys are missing"):
        rankkit.load("hpsv2:model=ViT-B-32", checkpoint=options["checkpoint"])


def test_the_version_says_how_images_are_resized(options):
    assert prepare("hpsv2", **options).identity.version.startswith("0.1.0+v2.1+sha256:")
    assert prepare("hpsv2", **options).identity.version.endswith("+letterbox-antialias")


def test_the_official_twin_says_which_package_is_missing():
    with pytest.raises(BrokenRanker, match="hpsv2"):
        rankkit.load("rankkit_hpsv2.official:Official")


def test_the_vocabulary_that_the_original_package_lacks_is_put_there_by_the_installer(tmp_path, monkeypatch):
    for folder in ("clip", "hpsv2/src/open_clip"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "clip" / "__init__.py").touch()
    (tmp_path / "hpsv2" / "__init__.py").write_text("raise ImportError('it is not to be imported')")
    (tmp_path / "clip" / official_setup.VOCABULARY).write_bytes(b"pairs")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("clip", "hpsv2"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    official_setup.main()
    assert (tmp_path / "hpsv2" / "src" / "open_clip" / official_setup.VOCABULARY).read_bytes() == b"pairs"
