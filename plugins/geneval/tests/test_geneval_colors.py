"""Naming colours: what CLIP is asked, with which activation, and about which pixels."""

import math

import numpy as np
import pytest
import torch
from geneval_clip import save_tiny_clip
from PIL import Image
from safetensors.torch import load_file, save_file

from rankkit import RankkitError
from rankkit_geneval.colors import GREY, Clip, NearestColor, clip_pixels, cut_out
from rankkit_geneval.detector.postprocess import Instance
from rankkit_geneval.verdicts.judge import Detection
from rankkit_geneval.vocabulary import COLORS
from rankkit_torch.testing import SAME_PIXEL


class Recorded:
    """An encoder whose rows are known: texts lie at the angle of their colour, images at a chosen one."""

    def __init__(self, color="blue"):
        self.asked, self.color = [], color

    def row(self, color, length):
        angle = COLORS.index(color) * math.pi / 20
        return [length * math.cos(angle), length * math.sin(angle)]

    def texts(self, texts):
        self.asked.append(list(texts))
        return torch.tensor([self.row(COLORS[i // 3], 1 + 10 * (i % 3)) for i in range(len(texts))])

    def images(self, images):
        return torch.tensor([self.row(self.color, 40.0) for _ in images])


def test_thirty_sentences_are_asked_colour_by_colour_and_once_per_thing():
    encoder = Recorded()
    namer = NearestColor(encoder)
    for _ in range(2):
        namer.classifier("computer mouse")
    (asked,) = encoder.asked
    assert len(asked) == 30
    assert asked[:4] == [
        "a photo of a red computer mouse",
        "a photo of a red-colored computer mouse",
        "a photo of a red object",
        "a photo of a orange computer mouse",
    ]
    assert [text.split()[4].removesuffix("-colored") for text in asked[::3]] == list(COLORS)


def test_each_sentence_and_then_their_mean_is_normalised():
    class Uneven(Recorded):
        def texts(self, texts):
            return torch.tensor([[100.0, 0.0], [0.0, 1.0], [0.0, 1.0]] * 10)

    classifier = NearestColor(Uneven()).classifier("dog")
    assert torch.allclose(classifier, torch.tensor([1.0, 2.0]).expand(10, 2) / math.sqrt(5))


@pytest.mark.parametrize("color", COLORS)
def test_the_nearest_colour_is_named_and_grey_is_no_candidate(color):
    namer = NearestColor(Recorded(color))
    assert namer.name(Image.new("RGB", (8, 8)), "car", Detection((0, 0, 8, 8), 0.9)) == color
    assert len(COLORS) == 10 and "gray" not in COLORS and "grey" not in COLORS


def test_what_is_not_the_thing_is_grey_153_and_the_thing_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[5:9, 10:14] = mask[8:12, 13:20] = True
    crop = np.asarray(cut_out(Image.fromarray(pixels), Instance((10, 5, 20, 12), 0.9, mask=mask)))
    inside = mask[5:12, 10:20]
    assert crop.shape == (7, 10, 3)
    assert np.array_equal(crop[inside], pixels[5:12, 10:20][inside])
    assert (crop[~inside] == GREY).all() and GREY == (153, 153, 153)


def test_without_a_mask_the_plain_crop_is_shown():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert np.array_equal(
        np.asarray(cut_out(Image.fromarray(pixels), Detection((10, 5, 20, 12), 0.9))), pixels[5:12, 10:20]
    )


def noise(size):
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (*size[::-1], 3)).astype(np.uint8))


@pytest.mark.parametrize(
    "size", [(224, 224), (300, 200), (57, 411), (640, 31), (5, 5), (1, 12), (449, 448), (1001, 333)]
)
def test_pixels_are_those_of_open_clips_evaluation_transform(size):
    transform = pytest.importorskip(
        "open_clip.transform", reason="which only this comparison needs"
    ).image_transform
    apart = clip_pixels(noise(size)) - transform(224, is_train=False)(noise(size)).numpy()
    assert np.abs(apart).max() < SAME_PIXEL


@pytest.mark.parametrize("size", [(2, 300), (300, 2)])
def test_of_a_thread_only_the_centre_is_computed_but_it_is_what_resizing_and_cropping_gives(size):
    # nowhere near black or white, where passes would be cut off between
    grey = np.random.default_rng(0).normal(128, 20, size[::-1]).clip(0, 255)
    image = Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    whole = image.resize(tuple(224 if side == 2 else 224 * 150 for side in size), Image.Resampling.BICUBIC)
    left, top = round((whole.width - 224) / 2), round((whole.height - 224) / 2)
    plain = np.asarray(whole.crop((left, top, left + 224, top + 224)), np.float32)
    ours = clip_pixels(image).transpose(1, 2, 0) * np.array((0.26862954, 0.26130258, 0.27577711)) + (
        0.48145466,
        0.4578275,
        0.40821073,
    )
    apart = np.abs(ours * 255 - plain)  # each pass rounds: a level, and here and there two
    assert apart.max() < 2.01 and (apart > 1.01).mean() < 1e-3


def test_clip_with_another_activation_is_refused(tmp_path):
    save_tiny_clip(tmp_path, hidden_act="gelu")
    with pytest.raises(
        RankkitError,
        match="GELUActivation.*QuickGELU.*openai/clip-vit-large-patch14",
    ):
        Clip(str(tmp_path), device="cpu")


def test_a_clip_that_lacks_weights_is_refused_with_their_names(tmp_path):
    save_tiny_clip(tmp_path, hidden_act="quick_gelu")
    path = tmp_path / "model.safetensors"
    weights = load_file(path)
    del weights["text_projection.weight"]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(RankkitError, match=r"1 key is missing \(text_projection\.weight\)"):
        Clip(str(tmp_path), device="cpu")


def test_clip_names_a_colour_end_to_end(tmp_path):
    save_tiny_clip(tmp_path, hidden_act="quick_gelu")
    clip = Clip(str(tmp_path), device="cpu")
    texts = clip.texts(["a photo of a red car", "a photo of a blue car"])
    assert texts.shape == (2, 16) and not torch.allclose(texts[0], texts[1])
    alone = clip.texts(["a photo of a blue car"])[0]
    assert (alone - texts[1]).abs().max() <= 1e-4 * texts.std()
    assert (
        NearestColor(clip).name(Image.new("RGB", (40, 20), "red"), "car", Detection((0, 0, 40, 20), 0.9))
        in COLORS
    )


def test_a_clip_that_cannot_be_had_is_named_with_what_to_do():
    with pytest.raises(RankkitError, match=r"no/such.*geneval:clip=FOLDER"):
        Clip("no/such", device="cpu")
