"""Images into the detector and masks out of it, without the detector: sizes, bits, boxes and scores."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from rankkit_geneval.detector.postprocess import full_size, instances, tight_box
from rankkit_geneval.detector.resize import MEAN, STD, Prepared, fitted, padded_side, prepare, resize_linear


def noise(width, height, seed=7):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("size", "resized", "padded"),
    [
        ((512, 512), (800, 800), (800, 800)),
        ((1024, 1024), (800, 800), (800, 800)),
        ((590, 591), (800, 801), (800, 832)),
        ((768, 1344), (762, 1333), (768, 1344)),
    ],
)
def test_images_are_sized_as_mmdet_sizes_them(size, resized, padded):
    assert fitted(*size) == resized
    assert tuple(map(padded_side, resized)) == padded
    prepared = prepare(Image.new("RGB", size))
    assert prepared.pixels_3HW.shape == (3, *padded[::-1])
    assert (prepared.resized, prepared.original) == (resized[::-1], size[::-1])


@pytest.mark.parametrize(  # sha256 of what OpenCV 4.8.1 and 5.0.0 make of the same noise
    ("source", "target", "digest"),
    [
        ((37, 23), (60, 37), "82f31c2b4df3685f5779591f557c6848e3c57abb35dab4c993173ccec3920df2"),
        ((37, 23), (20, 11), "a258a09fc65b87dd11ad50e5357efe3194f0b8adb9a982b64b2b89a90269d861"),
        ((64, 48), (32, 24), "7ec31c735663bd568e1b91d979b856f412eee697f9be1bbd64b4469c8692a61e"),
    ],
)
def test_the_resize_is_opencvs_to_the_last_bit(source, target, digest):
    assert hashlib.sha256(resize_linear(noise(*source), *target).tobytes()).hexdigest() == digest


def test_resizing_to_the_same_size_changes_nothing_and_flat_images_stay_flat():
    pixels = noise(31, 17)
    assert np.array_equal(resize_linear(pixels, 31, 17), pixels)
    for value in (0, 1, 127, 254, 255):
        assert (resize_linear(np.full((5, 9, 3), value, np.uint8), 40, 3) == value).all()


def test_padding_is_grey_128_right_and_below_and_comes_before_normalising():
    prepared = prepare(Image.new("RGB", (590, 591), (255, 0, 0)))
    grey, red = ((np.array(color, np.float32) - MEAN) / STD for color in ((128, 128, 128), (255, 0, 0)))
    assert np.array_equal(prepared.pixels_3HW[:, 800, 799], red)
    assert np.array_equal(prepared.pixels_3HW[:, 801, 0], grey)
    assert np.array_equal(prepared.pixels_3HW[:, 831, 799], grey)


def test_the_channels_are_red_green_blue():
    prepared = prepare(Image.new("RGB", (32, 32), (255, 0, 0)))
    assert prepared.pixels_3HW[0].min() > 2 and prepared.pixels_3HW[2].max() < -1.5


def test_any_image_can_be_prepared_even_one_pixel_wide():
    for size in ((1, 1), (1, 700), (3000, 2)):
        prepared = prepare(Image.new("RGB", size))
        assert min(prepared.resized) >= 1 and all(side % 32 == 0 for side in prepared.pixels_3HW.shape[1:])


def bilinear(image_HW, height, width):
    """Reference: half-pixel centres, edges held (align_corners=False), in float64."""

    def axis(source, target):
        place = np.maximum((np.arange(target) + 0.5) * source / target - 0.5, 0)
        first = np.minimum(np.floor(place).astype(int), source - 1)
        return first, np.minimum(first + 1, source - 1), place - first

    (top, bottom, v), (left, right, u) = axis(image_HW.shape[0], height), axis(image_HW.shape[1], width)
    rows = image_HW[top] * (1 - v)[:, None] + image_HW[bottom] * v[:, None]
    return rows[:, left] * (1 - u) + rows[:, right] * u


def reference(class_logits, mask_logits, prepared):
    """mmdet's instance post-processing in numpy: {(query, label): (score, box)} of the top 100 pairs."""
    e = np.exp(class_logits - class_logits.max(1, keepdims=True))
    probability = (e / e.sum(1, keepdims=True))[:, :-1]
    top = np.argsort(-probability.ravel(), kind="stable")[:100]
    found = {}
    for place in top:
        query, label = divmod(int(place), probability.shape[1])
        padded = bilinear(mask_logits[query], *prepared.pixels_3HW.shape[1:])
        logits = bilinear(padded[: prepared.resized[0], : prepared.resized[1]], *prepared.original)
        mask = logits > 0
        certainty = (mask / (1 + np.exp(-logits))).sum() / (mask.sum() + 1e-6)
        ys, xs = np.nonzero(mask)
        box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(xs) else (0, 0, 0, 0)
        found[query, label] = (probability[query, label] * certainty, tuple(map(float, box)))
    return found


@pytest.mark.parametrize("original", [(40, 40), (37, 90), (96, 21)])
def test_instances_are_those_of_a_numpy_reference_on_random_logits(original):
    rng = np.random.default_rng(3)
    prepared = Prepared(np.zeros((3, 64, 96), np.float32), (60, 90), original)
    class_logits, mask_logits = 2 * rng.normal(size=(30, 6)), rng.normal(size=(30, 8, 12)) - 1
    expected = reference(class_logits, mask_logits, prepared)
    found = instances(torch.tensor(class_logits), torch.tensor(mask_logits), prepared)
    assert len(found) == len(expected) == 100
    assert [each.score for _, each in found] == sorted((each.score for _, each in found), reverse=True)
    by_place = sorted((label, each.box, each.score) for label, each in found)
    wanted = sorted((label, box, score) for (_, label), (score, box) in expected.items())
    for ours, theirs in zip(by_place, wanted, strict=True):
        assert ours[:2] == theirs[:2] and ours[2] == pytest.approx(theirs[2], abs=1e-4)


def one(mask_logits_HW, original, class_logits=(9.0, 0.0)):
    height, width = mask_logits_HW.shape
    prepared = Prepared(np.zeros((3, height, width), np.float32), (height, width), original)
    ((label, found),) = instances(torch.tensor([class_logits]), torch.tensor(mask_logits_HW)[None], prepared)
    return label, found


def test_an_empty_mask_has_no_box_and_the_score_zero():
    label, found = one(np.full((8, 8), -3.0), (8, 8))
    assert (label, found.box, found.score) == (0, (0, 0, 0, 0), 0)


def test_a_mask_of_one_pixel_has_a_box_of_one_pixel():
    logits = np.full((8, 8), -50.0)
    logits[5, 2] = 50.0
    _, found = one(logits, (8, 8))
    assert found.box == (2, 5, 3, 6)
    assert found.score == pytest.approx(1 / (1 + np.exp(-9.0)), abs=1e-4)
    assert found.mask.sum() == 1


def test_a_mask_over_the_whole_image_reaches_its_far_edges():
    _, found = one(np.full((8, 12), 5.0), (30, 50))
    assert found.box == (0, 0, 50, 30)
    assert found.mask.shape == (30, 50)


def test_one_query_can_be_two_things():
    class_logits = np.zeros((1, 4))
    class_logits[0, :2] = 8
    prepared = Prepared(np.zeros((3, 8, 8), np.float32), (8, 8), (8, 8))
    found = instances(torch.tensor(class_logits), torch.full((1, 8, 8), 9.0), prepared, at_least=0.3)
    assert sorted(label for label, _ in found) == [0, 1]


def test_what_cannot_reach_the_threshold_is_left_out_and_nothing_else():
    rng = np.random.default_rng(5)
    prepared = Prepared(np.zeros((3, 32, 32), np.float32), (32, 32), (32, 32))
    logits = torch.tensor(3 * rng.normal(size=(20, 5))), torch.tensor(3 * rng.normal(size=(20, 8, 8)))
    everything = [(label, each.box, each.score) for label, each in instances(*logits, prepared)]
    some = [(label, each.box, each.score) for label, each in instances(*logits, prepared, at_least=0.3)]
    assert some == [found for found in everything if found[2] >= 0.3]
    assert 0 < len(some) < len(everything)


def test_the_padding_is_cut_off_before_a_mask_is_brought_to_size():
    logits = torch.full((8, 8), -9.0)
    logits[:, 4:] = 9.0
    prepared = Prepared(np.zeros((3, 32, 32), np.float32), (32, 16), (64, 32))
    assert (full_size(logits, prepared)[:, :28] < 0).all()


def test_a_box_ends_after_the_last_pixel():
    mask = np.zeros((6, 9), bool)
    mask[1:3, 4:8] = True
    assert tight_box(mask) == (4, 1, 8, 3)
