"""What goes wrong with weights and memory is one clear message, whichever learned ranker it happens to."""

import importlib
import math
import re
from pathlib import Path

import pytest
import torch

import rankkit
from rankkit.errors import BrokenRanker
from rankkit_torch.testing import sample_images

NAMES = sorted(path.parent.parent.name for path in Path(__file__).parents[2].glob("*/tests/tiny_*.py"))
HERE = "cuda(:0)?" if torch.cuda.is_available() else "cpu"
FULL = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB\nand more lines"
)


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """The tiny case of every ranker whose packages are here, with the options of its checkpoint."""
    found = {}
    for name in NAMES:
        try:
            case = importlib.import_module(f"tiny_{name}")
        except ImportError:
            continue
        found[name] = case.checkpoint(tmp_path_factory.mktemp(name))
        if name == "pickscore":
            # else laion's would be looked for on the hub
            found[name]["processor"] = found[name]["checkpoint"]
    return found


def named(folder):
    """What the ranker of a folder of plugins/ is called, where that is no name of a module."""
    return getattr(importlib.import_module(f"tiny_{folder}"), "NAME", folder)


def case(cases, name):
    return cases[name] if name in cases else pytest.skip(f"what {name} needs is not installed here")


@pytest.mark.parametrize("name", NAMES)
def test_the_checkpoint_of_another_ranker_is_refused_in_one_line_that_names_it(cases, name):
    options = case(cases, name)
    # those two hold a CLIP each, and are told apart by its activation only
    for other in cases.keys() - {name, "clip", "pickscore"}:
        checkpoint = cases[other]["checkpoint"]
        with pytest.raises(BrokenRanker) as caught:
            rankkit.load(named(name), **{**options, "checkpoint": checkpoint})
        said = str(caught.value)
        assert checkpoint in said and "\n" not in said and len(said.replace(checkpoint, "")) < 600, other


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_do_not_fit_the_gpu_are_one_message_with_what_to_change(cases, name, monkeypatch):
    options = case(cases, name)
    monkeypatch.setattr(torch.nn.Module, "to", exhausted)
    with pytest.raises(
        BrokenRanker,
        match=rf"no free memory on {HERE} for the weights of .*dtype=bfloat16.*device=cpu$",
    ):
        rankkit.load(named(name), **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_that_does_not_fit_the_gpu_is_scored_score_each(cases, name, monkeypatch):
    ranker, group = (
        rankkit.load(named(name), **case(cases, name)),
        rankkit.Group("a fox", tuple(sample_images()[:3])),
    )
    (expected,), linear, failures = ranker.rank([group]), torch.nn.functional.linear, [FULL]
    monkeypatch.setattr(
        torch.nn.functional,
        "linear",
        lambda *layer: exhausted() if failures and failures.pop() else linear(*layer),
    )
    (ranking,) = ranker.rank([group])
    assert not failures and ranking.scores == pytest.approx(expected.scores, rel=1e-2, abs=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_does_not_fit_the_gpu_is_abstained_on_with_what_to_change(cases, name, monkeypatch):
    ranker = rankkit.load(named(name), **case(cases, name))
    monkeypatch.setattr(torch.nn.functional, "linear", exhausted)
    (ranking,) = ranker.rank([rankkit.Group("a fox", tuple(sample_images()[:2]))])
    assert all(map(math.isnan, ranking.scores))
    for details in ranking.details:
        assert (
            re.search(rf"no free memory on {HERE} for 1 ", details["error"])
            and "give a smaller batch_size" in details["error"]
        )
        assert details["error"].endswith("or device=cpu") and "\n" not in details["error"]


def exhausted(*_, **__):
    raise FULL
