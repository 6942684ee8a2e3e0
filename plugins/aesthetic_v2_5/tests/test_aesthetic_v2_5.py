"""aesthetic-v2.5 passes the contract check, equals the author's package, and needs no prompt."""

import shutil
import sys
import types
from pathlib import Path

import pytest
import tiny_aesthetic_v2_5 as tiny
import torch

import rankkit
from rankkit.errors import BrokenRanker, RankkitError
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_aesthetic_v2_5.official import Official
from rankkit_aesthetic_v2_5.ranker import AestheticV25
from rankkit_torch import golden
from rankkit_torch.testing import clip_folder, damage, sample_images, score_each, tiny_clip_config

GOLDEN = Path(__file__).parent.parent / "golden.json"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("aesthetic-v2.5"))


def test_aesthetic_v2_5_passes_the_contract_check(options):
    check_ranker(
        rankkit.load("aesthetic-v2.5", **options, batch_size=3),
        reload=lambda **more: rankkit.load("aesthetic-v2.5", **options, **more),
    )


def test_scores_equal_the_published_network_written_out(options):
    ours = [scored.score for scored in score_each(AestheticV25(**options), sample_images())]
    golden.assert_parity(ours, tiny.reference(sample_images(), [], **options))


@pytest.mark.parametrize("size", ["tiny", "original_tiny"])
def test_scores_are_the_golden_ones_and_those_of_the_original_package(size, tmp_path, monkeypatch):
    monkeypatch.setattr(tiny, "original_tiny", tiny.checkpoint, raising=False)
    golden.check(GOLDEN, tiny, tmp_path, size=size, prompts=1)


def test_files_of_every_mode_are_scored_as_the_original_does_or_refused_as_it_does(tmp_path):
    golden.check_files(GOLDEN, tiny, tmp_path)


def test_it_needs_no_prompt(options):
    assert not prepare("aesthetic-v2.5", **options).needs_prompt


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_head_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(Path(options["checkpoint"]), how)
    with pytest.raises(BrokenRanker, match=r"aesthetic_predictor_v2_5\.pth"):
        rankkit.load("aesthetic-v2.5", **options)


@pytest.mark.parametrize("how", ["truncated", "pickle", "missing", "unexpected"])
def test_a_bad_siglip_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(Path(options["siglip"]) / "model.safetensors", how)
    with pytest.raises(BrokenRanker, match=options["siglip"]):
        rankkit.load("aesthetic-v2.5", **options)


def test_a_clip_in_place_of_siglip_is_refused(options, tmp_path):
    folder = clip_folder(tmp_path, tiny_clip_config())
    with pytest.raises(BrokenRanker, match="type clip, and the head was trained on siglip"):
        rankkit.load("aesthetic-v2.5", **{**options, "siglip": str(folder)})


def test_without_a_checkpoint_the_published_head_is_taken_from_torchs_cache(options, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(BrokenRanker, match="is not there.*HF_HUB_OFFLINE.*give checkpoint=PATH"):
        prepare("aesthetic-v2.5", siglip=options["siglip"])
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(options["checkpoint"], tmp_path / "checkpoints")
    named, cached = (
        prepare("aesthetic-v2.5", **given).identity.version
        for given in (options, {"siglip": options["siglip"]})
    )
    assert named == cached and named.count("sha256:") == 2


def test_embeddings_are_unit_vectors(options):
    vectors = AestheticV25(**options).embed(sample_images()[:3])
    assert vectors.shape == (3, 32) and (vectors**2).sum(1) == pytest.approx(1)


def test_the_authors_package_without_weights_and_network_says_which_options_name_files(monkeypatch):
    def gone(*_):
        raise OSError("We couldn't connect to the hub")

    package = types.SimpleNamespace(convert_v2_5_from_siglip=gone)
    monkeypatch.setitem(sys.modules, "aesthetic_predictor_v2_5", package)
    with pytest.raises(RankkitError, match="couldn't connect.*siglip=FOLDER,checkpoint=FILE"):
        Official()
