import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import rankkit
from rankkit import Group
from rankkit.core import builtin
from rankkit.core.builtin.pixels import COLORS, ROWS, extremes

MEASURES = (builtin.sharpness, builtin.colorfulness, builtin.contrast, builtin.saturation)
NOISE = np.random.default_rng(1).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def flat(*color, size=(8, 8)):
    return Image.new("RGB", size, color)


def halves(left, right, size=(8, 4)):
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def laplacian_variance(image):
    y = np.asarray(image.convert("L"), dtype=np.float64)
    return float((y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]).var())


def hasler_suesstrunk(image):
    r, g, b = np.moveaxis(np.asarray(image, dtype=np.float64), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())


def mean_saturation(image):
    pixels = np.asarray(image, dtype=np.float64)
    high, low = pixels.max(-1), pixels.min(-1)
    return float(np.where(high > 0, (high - low) / np.where(high > 0, high, 1), 0).mean())


REFERENCE = {
    builtin.sharpness: laplacian_variance,
    builtin.colorfulness: hasler_suesstrunk,
    builtin.contrast: lambda image: float(np.asarray(image.convert("L"), dtype=np.float64).std() / 255),
    builtin.saturation: mean_saturation,
}


# --- known answers ---


def test_a_flat_image_has_no_sharpness_no_contrast_and_its_own_colour():
    for color in ((0, 0, 0), (255, 255, 255), (200, 30, 40)):
        assert builtin.sharpness(flat(*color)) == builtin.contrast(flat(*color)) == 0
    assert builtin.saturation(flat(200, 100, 50)) == pytest.approx(0.75)
    assert builtin.colorfulness(flat(90, 90, 90)) == builtin.saturation(flat(90, 90, 90)) == 0


def test_sharpness_is_the_variance_of_the_laplacian():
    dot = flat(0, 0, 0, size=(3, 5))
    dot.putpixel((1, 2), (255, 255, 255))
    # the Laplacian of the inner column is 255, -1020, 255
    assert builtin.sharpness(dot) == pytest.approx(np.var([255, -1020, 255]))
    assert builtin.sharpness(Image.fromarray(NOISE)) == pytest.approx(
        laplacian_variance(Image.fromarray(NOISE))
    )


def test_colorfulness_is_the_one_computed_by_hand():
    # red and blue halves: rg 255 and 0, yb 127.5 and -255; spread hypot(127.5, 191.25), shift hypot(127.5,
    # -63.75)
    expected = math.hypot(127.5, 191.25) + 0.3 * math.hypot(127.5, 63.75)
    assert builtin.colorfulness(halves((255, 0, 0), (0, 0, 255))) == pytest.approx(expected)


def test_contrast_of_black_beside_white_is_one_half():
    assert builtin.contrast(halves((0, 0, 0), (255, 255, 255))) == pytest.approx(0.5)
    assert builtin.contrast(halves((100, 100, 100), (151, 151, 151))) == pytest.approx(0.1)


def test_saturation_of_pure_colours_is_one_and_of_black_zero():
    assert builtin.saturation(halves((255, 0, 0), (0, 0, 255))) == 1
    assert builtin.saturation(halves((255, 0, 0), (0, 0, 0))) == 0.5


def test_compressibility_is_minus_the_bytes_of_the_jpeg():
    buffer = io.BytesIO()
    Image.fromarray(NOISE).save(buffer, "JPEG", quality=95)
    assert builtin.compressibility(Image.fromarray(NOISE)) == -len(buffer.getvalue())
    assert builtin.incompressibility(Image.fromarray(NOISE), quality=95) == len(buffer.getvalue())
    assert builtin.compressibility(Image.fromarray(NOISE), quality=20) > builtin.compressibility(
        Image.fromarray(NOISE)
    )
    assert builtin.compressibility(flat(9, 9, 9, size=(30, 40))) > builtin.compressibility(
        Image.fromarray(NOISE)
    )


def test_blur_lowers_sharpness_and_grey_lowers_colour():
    image = Image.fromarray(NOISE)
    assert builtin.sharpness(image.resize((15, 20)).resize((30, 40))) < builtin.sharpness(image)
    assert builtin.colorfulness(image.convert("L").convert("RGB")) == 0


# --- strips ---


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("height", [ROWS - 1, ROWS, ROWS + 1, ROWS + 2, 2 * ROWS, 2 * ROWS + 1, 3 * ROWS + 7])
def test_reading_in_strips_changes_no_result(measure, height):
    image = Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, 5, 3), dtype=np.uint8))
    assert measure(image) == pytest.approx(REFERENCE[measure](image), rel=1e-6)


def test_strips_do_not_change_the_colour_of_a_prompt():
    tall = halves((255, 0, 0), (0, 0, 255), size=(4, 3 * ROWS + 5))
    assert builtin.prompt_color(tall, "red").score == 0.5


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 700), (700, 1), (2, 3)])
def test_images_too_small_for_a_measure_are_zero_not_an_error(size):
    image = flat(10, 200, 30, size=size)
    assert builtin.sharpness(image) == builtin.contrast(image) == 0
    assert builtin.saturation(image) == pytest.approx(0.95)
    assert builtin.colorfulness(image) == pytest.approx(hasler_suesstrunk(image))
    assert builtin.compressibility(image) < 0
    assert builtin.prompt_color(image, "green").score == 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_every_measure_equals_its_definition_and_stays_in_its_range(width, height, seed):
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
    for measure, reference in REFERENCE.items():
        expected = 0.0 if measure is builtin.sharpness and min(width, height) < 3 else reference(image)
        assert measure(image) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert 0 <= builtin.saturation(image) <= 1 and 0 <= builtin.contrast(image) <= 0.5


# --- prompt-color ---


@pytest.mark.parametrize(
    ("color", "word"),
    [
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "gray"),
        ((220, 20, 30), "red"),
        ((255, 140, 0), "orange"),
        ((255, 235, 40), "yellow"),
        ((30, 160, 40), "green"),
        ((30, 60, 220), "blue"),
        ((130, 30, 200), "purple"),
        ((255, 160, 190), "pink"),
        ((120, 70, 30), "brown"),
    ],
)
def test_each_basic_colour_is_recognised(color, word):
    found = builtin.prompt_color(flat(*color), f"a {word} car")
    assert found.score == 1 and found.details == {"asked": [word], "dominant": word}
    other = "blue" if word != "blue" else "red"
    assert builtin.prompt_color(flat(*color), f"a {other} car").score == 0


def test_the_share_of_all_colours_that_the_prompt_names_counts():
    image = halves((220, 20, 30), (30, 60, 220))
    assert builtin.prompt_color(image, "a red car").score == 0.5
    assert builtin.prompt_color(image, "a red car on a BLUE road").score == 1
    assert builtin.prompt_color(image, "a red, red car").score == 0.5


def test_grey_is_gray_and_parts_of_words_are_no_colours():
    assert builtin.prompt_color(flat(128, 128, 128), "a grey wall").score == 1
    for prompt in ("a bored redhead", "greenhouse", "", "no colour here"):
        found = builtin.prompt_color(flat(0, 0, 0), prompt)
        assert math.isnan(found.score) and found.details["error"].startswith(
            "the prompt names no colour (black, white, gray"
        )


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_every_pixel_has_exactly_one_colour(seed):
    image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8))
    assert builtin.prompt_color(image, " ".join(COLORS)).score == 1
    assert sum(builtin.prompt_color(image, word).score for word in COLORS) == pytest.approx(1)


# --- as rankers ---


@pytest.mark.parametrize(
    "name",
    [
        "compressibility",
        "incompressibility",
        "sharpness",
        "colorfulness",
        "contrast",
        "saturation",
        "prompt-color",
    ],
)
def test_each_is_loaded_by_name_scores_pointwise_and_leaves_images_untouched(name):
    images = (Image.fromarray(NOISE), flat(220, 20, 30))
    before = [image.tobytes() for image in images]
    (ranking,) = rankkit.load(name).rank([Group("a red car", images)])
    function = getattr(builtin, name.replace("-", "_"))
    alone = [function(image, "a red car") if name == "prompt-color" else function(image) for image in images]
    assert ranking.kind == "pointwise"
    assert ranking.scores == tuple(getattr(score, "score", score) for score in alone)
    assert [image.tobytes() for image in images] == before


def test_only_prompt_color_needs_a_prompt():
    from rankkit.registry.load import prepare

    assert prepare("prompt-color").needs_prompt
    assert not any(
        prepare(name).needs_prompt
        for name in ("compressibility", "sharpness", "colorfulness", "contrast", "saturation")
    )


def test_every_docstring_says_what_is_preferred_and_its_source():
    for function in (*MEASURES, builtin.compressibility, builtin.incompressibility, builtin.prompt_color):
        assert function.__doc__.startswith("Prefer ")
        assert any(
            mark in function.__doc__ for mark in ("arXiv", "ICPR", "SPIE", "JOSA", "SIGGRAPH", "1969")
        ), function.__name__


def test_the_extremes_of_pixels_are_those_that_numpy_finds():
    rgb = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
    high, low = extremes(rgb)
    assert np.array_equal(high, rgb.max(-1)) and np.array_equal(low, rgb.min(-1)) and high.dtype == np.float32
