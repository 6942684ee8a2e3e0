"""An image tower that several rankers have is in memory once, and is asked once for what they see."""

import gc
import importlib
import weakref
from contextlib import contextmanager
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_hook
from transformers import CLIPVisionModelWithProjection

import rankkit
from rankkit_torch.testing import clip_folder, sample_images, tiny_clip_config

SQUARE, ANY = [(64, 64)] * 70, [(64, 64), (33, 90), (50, 33), (91, 28)] * 6


@pytest.fixture
def specs(tmp_path):
    """Three rankers on one checkpoint: what each of them loads by itself is the same image tower."""
    pytest.importorskip("rankkit_clip")
    case = importlib.import_module("tiny_aesthetic").checkpoint(tmp_path)
    return {
        "clip": f"clip:checkpoint={case['clip']},device=cpu",
        "aesthetic": f"aesthetic:checkpoint={case['checkpoint']},clip={case['clip']},device=cpu",
        "pickscore": f"pickscore:checkpoint={case['clip']},device=cpu",
    }


@contextmanager
def forwards():
    """The batches that image towers ran while it lasts."""
    found = []

    def count(module, given, output):
        if isinstance(module, CLIPVisionModelWithProjection):
            found.append(len(output.image_embeds))

    hook = register_module_forward_hook(count)
    try:
        yield found
    finally:
        hook.remove()


def images(folder, sizes):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place, (width, height) in enumerate(sizes):
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:02}.png")
    return folder


def scores(folder, specs, output):
    found = rankkit.score([folder], list(specs), prompt="a red fox", output=output)
    return sorted((row["ranker"], row["image"], row["score"], repr(row["details"])) for row in found)


def test_a_tower_runs_once_for_all_rankers_of_a_command_and_the_scores_are_those_of_each_alone(
    specs, tmp_path
):
    folder = images(tmp_path / "in", SQUARE)
    with forwards() as together:
        found = scores(folder, specs.values(), tmp_path / "rows.jsonl")
    with forwards() as apart:
        alone = [scores(folder, [spec], tmp_path / f"{name}.jsonl") for name, spec in specs.items()]
    assert found == sorted(chain(*alone))
    assert sorted(together) == [6, 32, 32] and sorted(apart) == sorted(3 * together)


def test_pixels_that_differ_are_never_taken_for_each_other(specs, tmp_path):
    """Where half a pixel is to be cut off, CLIP's processor and the aesthetic predictor take another side."""
    folder = images(tmp_path / "in", ANY)
    alone = [scores(folder, [spec], tmp_path / f"{name}.jsonl") for name, spec in specs.items()]
    assert scores(folder, specs.values(), tmp_path / "rows.jsonl") == sorted(chain(*alone))


def test_weights_are_in_memory_once_and_go_with_the_last_ranker(specs):
    clip, aesthetic = rankkit.load(specs["clip"]), rankkit.load(specs["aesthetic"])
    tower = weakref.ref(aesthetic.tower)
    assert clip.towers.images is aesthetic.tower
    assert clip.towers.model.vision_model is aesthetic.tower.model.vision_model
    del clip, aesthetic
    gc.collect()
    assert tower() is None


def test_other_weights_or_another_dtype_are_another_tower(specs, tmp_path):
    one = rankkit.load(specs["clip"])
    other = str(clip_folder(tmp_path / "other", tiny_clip_config("quick_gelu"), seed=9))
    half = rankkit.load(specs["clip"], dtype="bfloat16").towers.images
    assert half.dtype == torch.bfloat16 and len({one.towers.images, half}) == 2
    assert rankkit.load("clip", checkpoint=other, device="cpu").towers.images is not one.towers.images


def test_features_are_dropped_with_the_batch_after_their_pixels(specs):
    clip, aesthetic = rankkit.load(specs["clip"]), rankkit.load(specs["aesthetic"])
    prepared = [aesthetic.prepare(image) for image in sample_images()[:3]]
    with forwards() as found:
        one, two = aesthetic.tower.features(prepared), clip.towers.embed_images(list(prepared))
        assert one is two and found == [3]
        del prepared
        for image in sample_images()[5:8]:
            clip.towers.embed_images([clip.prepare(image)])
    assert found == [3, 1, 1, 1] and len(aesthetic.tower._kept) == 1
