"""golden.json and the cards of every learned ranker agree, and keep what the cards state."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from benchmarks import cards
from rankkit_torch import golden
from rankkit_torch.testing import PROMPTS, inputs_id, sample_files, sample_images

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PLUGINS = Path(__file__).parents[2]
NAMES = sorted(path.parent.parent.name for path in PLUGINS.glob("*/tests/tiny_*.py"))
# official.py is the twin of a port; a package that is only wrapped has none
OFFICIAL = sorted(path.parent.parent.name for path in PLUGINS.glob("*/rankkit_*/official.py"))


def found(name):
    return json.loads((PLUGINS / name / "golden.json").read_text("utf-8"))


def blocks(name):
    return [block for block in found(name).values() if "against_reference" in block]


@pytest.mark.parametrize("name", NAMES)
def test_scores_differ_from_the_reference_by_at_most_a_ten_thousandth_of_their_spread_and_order_alike(name):
    for block in blocks(name):
        assert block["inputs"] == inputs_id(sample_images(), PROMPTS)
        assert (
            block["against_reference"]["max_of_spread"] <= golden.TOLERANCE
            and block["against_reference"]["kendall_min"] == 1
        )
        assert block["spread_of_size"] >= 0.01


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_ranker_with_an_original_package_is_compared_with_it(name):
    assert {"full", "original_tiny"} & found(name).keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_default_dtype_orders_as_float32_does(name):
    tiny = found(name)["tiny"]
    assert (
        tiny["default_dtype"] == "float32"
        or tiny["against_float32"][tiny["default_dtype"]]["kendall_min"] >= 0.95
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_scored_as_the_reference_scores_it_or_its_rgb_image_or_refused_by_both(name, tmp_path):
    block = found(name)["files"]
    spread = found(name)[block["size"]]["spread"]
    assert [path.name for path in sample_files(tmp_path)] == sorted(block["rows"])
    assert golden.WRONG not in {golden.verdict(row, spread) for row in block["rows"].values()}


@pytest.mark.parametrize("name", NAMES)
def test_the_cards_say_what_was_measured(name):
    try:
        case = importlib.import_module(f"tiny_{name}")
    except ImportError as error:
        pytest.skip(f"{name} cannot be imported here: {error}")
    (path,) = (PLUGINS / name).glob("rankkit_*/card.toml")
    card, readme = (
        tomllib.loads(path.read_text("utf-8")),
        (PLUGINS / name / "README.md").read_text("utf-8").splitlines(),
    )
    for key, sentence in cards.sentences(found(name), case).items():
        assert {**card, **card.get(getattr(case, "NAME", name), {})}[key] == sentence
        assert f"| {key} | {sentence} |" in readme
