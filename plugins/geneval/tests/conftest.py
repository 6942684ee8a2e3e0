"""The real architectures, made tiny, with random weights, once; and the plugin's commands in this process."""

import sys

import pytest
import torch
from geneval_clip import save_tiny_clip
from geneval_mmdet import inverse, tiny_config
from safetensors.torch import load_file
from transformers import Mask2FormerForUniversalSegmentation

from rankkit_geneval.cli import main
from rankkit_geneval.detector.weights import convert_file


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """The real architecture, made tiny, with random weights that went through the conversion.

    Its class scores are large, so that it finds things.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("detector")
    model = Mask2FormerForUniversalSegmentation(tiny_config())
    model.class_predictor.weight.data *= 400
    model.save_pretrained(folder / "random")
    torch.save({"state_dict": inverse(load_file(folder / "random" / "model.safetensors"))}, folder / "m.pth")
    convert_file(folder / "m.pth", folder / "converted", config=tiny_config())
    return folder / "converted"


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    save_tiny_clip(folder, hidden_act="quick_gelu")
    return folder


@pytest.fixture
def command(monkeypatch, capfdbinary):
    """Run ``python -m rankkit_geneval`` with these arguments: exit code, and bytes on stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rankkit_geneval", *map(str, arguments)])
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        sys.stdout.flush()
        return (left.value.code, *capfdbinary.readouterr())

    return run
