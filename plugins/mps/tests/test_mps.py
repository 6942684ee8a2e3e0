"""mps equals MPS in plain operations, and reads a pickled module without running anything in it."""

import math
import os
import shutil
import sys
import types
import zipfile
from pathlib import Path

import pytest
import tiny_mps as tiny
import torch

import rankkit
from rankkit.errors import BadOption, BrokenRanker
from rankkit.plugin import prepare
from rankkit.testing import check_ranker
from rankkit_mps.module_file import tensors
from rankkit_mps.ranker import MultiPreference
from rankkit_torch import golden
from rankkit_torch.testing import LONG, PROMPTS, damage, sample_images, score_each

GOLDEN = Path(__file__).parent.parent / "golden.json"


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return tiny.checkpoint(tmp_path_factory.mktemp("mps"))


def as_module(state):
    """A module of somebody's package, which nobody has who reads the file, with these weights."""
    package = types.ModuleType("somebodys_trainer")
    exec("import torch\nclass Part(torch.nn.Module):\n    pass", package.__dict__)
    sys.modules["somebodys_trainer"] = package
    whole = package.Part()
    for key, value in state.items():
        *path, name = key.split(".")
        place = whole
        for step in path:
            if step not in place._modules:
                place.add_module(step, package.Part())
            place = place._modules[step]
        if name in ("inv_freq", "bias") and "cross_model" in key:
            place.register_buffer(name, value)
        else:
            place.register_parameter(name, torch.nn.Parameter(value))
    return whole


def save_module(whole, path):
    torch.save(whole, path)
    del sys.modules["somebodys_trainer"]


def test_mps_passes_the_contract_check(options):
    check_ranker(
        rankkit.load("mps", **options, batch_size=3),
        reload=lambda **more: rankkit.load("mps", **options, **more),
    )


def test_scores_equal_mps_in_plain_operations(options):
    images, prompts = sample_images(), [PROMPTS[place % len(PROMPTS)] for place in range(16)]
    ours = [scored.score for scored in score_each(MultiPreference(**options), images, prompts)]
    golden.assert_parity(ours, tiny.reference(images, prompts, **options))


def test_scores_are_the_golden_ones(tmp_path):
    golden.check(GOLDEN, tiny, tmp_path, prompts=2)


def test_files_of_every_mode_are_scored_as_the_reference_does_or_refused_as_it_does(tmp_path):
    golden.check_files(GOLDEN, tiny, tmp_path)


def test_only_words_that_have_to_do_with_the_condition_are_attended_to(options):
    image, prompt = sample_images()[3], PROMPTS[8]
    rankers = [MultiPreference(**options, threshold=threshold) for threshold in (-100.0, 0.3, 0.9)]
    assert len({score_each(ranker, [image], [prompt])[0].score for ranker in rankers}) == 3


def test_a_pickled_module_is_scored_as_its_state_dict_without_its_package(options, tmp_path):
    save_module(as_module(torch.load(options["checkpoint"])), tmp_path / "whole.pth")
    image = sample_images()[3]
    (one,), (two,) = (
        score_each(MultiPreference(**{**options, "checkpoint": str(path)}), [image], ["a fox"])
        for path in (options["checkpoint"], tmp_path / "whole.pth")
    )
    assert one.score == two.score and "somebodys_trainer" not in sys.modules


def test_a_module_saved_in_half_precision_is_read(options, tmp_path):
    save_module(as_module(torch.load(options["checkpoint"])).half(), tmp_path / "half.pth")
    ranker = MultiPreference(**{**options, "checkpoint": str(tmp_path / "half.pth")})
    (half,) = score_each(ranker, sample_images()[3:4], ["a fox"])
    assert math.isfinite(half.score) and next(ranker.model.parameters()).dtype == torch.float32


class Harmful:
    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def test_what_a_pickled_module_calls_is_not_called(tmp_path):
    whole = as_module({"part.weight": torch.ones(2)})
    whole.hook = Harmful(shutil.copyfile, __file__, str(tmp_path / "run"))
    save_module(whole, tmp_path / "whole.pth")
    assert list(tensors(tmp_path / "whole.pth")) == ["part.weight"]
    assert not (tmp_path / "run").exists()


def test_a_module_that_names_what_no_weights_need_is_refused(tmp_path):
    whole = as_module({"part.weight": torch.ones(2)})
    whole.hook = Harmful(os.system, f"touch {tmp_path / 'run'}")
    save_module(whole, tmp_path / "whole.pth")
    with pytest.raises(BrokenRanker, match=r"names \S+\.system, which no weights need, and is refused"):
        tensors(tmp_path / "whole.pth")
    assert not (tmp_path / "run").exists()


def test_a_buffer_that_a_state_dict_leaves_out_is_left_out(tmp_path):
    whole = as_module({"part.weight": torch.ones(2)})
    whole.register_buffer("passing", torch.zeros(3), persistent=False)
    whole.register_buffer("staying", torch.zeros(3))
    expected = set(whole.state_dict())
    save_module(whole, tmp_path / "whole.pth")
    assert set(tensors(tmp_path / "whole.pth")) == expected == {"part.weight", "staying"}


def write_script(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/constants.pkl", b"")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: torch.save({"weights": 7}, path), "holds neither a module nor weights"),
        (write_script, "a program of TorchScript"),
        (lambda path: torch.save({"a.weight": torch.ones(2)}, path), "holds no layers of MPS"),
        (lambda path: path.write_bytes(b"PK\x03\x04 cut off"), "truncated or damaged"),
    ],
)
def test_a_file_that_is_no_mps_is_refused_in_words(options, tmp_path, write, message):
    write(tmp_path / "other.pth")
    with pytest.raises(BrokenRanker, match=message):
        rankkit.load("mps", **{**options, "checkpoint": str(tmp_path / "other.pth")})


@pytest.mark.parametrize("how", ["truncated", "missing", "unexpected"])
def test_a_bad_checkpoint_is_refused_by_name(tmp_path, how):
    options = tiny.checkpoint(tmp_path)
    damage(Path(options["checkpoint"]), how)
    with pytest.raises(BrokenRanker, match=r"MPS\.pth"):
        rankkit.load("mps", **options)


def test_without_a_checkpoint_it_says_where_the_published_one_is():
    with pytest.raises(BadOption, match="README of github.com/Kwai-Kolors/MPS"):
        prepare("mps")


def test_rows_say_how_long_the_prompt_was_and_what_was_cut(options):
    (cut,) = score_each(MultiPreference(**options), sample_images()[3:4], [LONG])
    assert (
        cut.details["prompt_truncated"] and cut.details["prompt_tokens"] > 77 and cut.details["cropped"] > 0
    )
