"""All learned rankers live in one environment and one process."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from rankkit_torch.testing import sample_images, score_each

PLUGINS = sorted(path.parent.parent.name for path in Path(__file__).parents[2].glob("*/tests/tiny_*.py"))


def test_the_packages_of_all_plugins_agree_with_each_other():
    pytest.importorskip("pip")
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_learned_ranker_scores_the_same_image_in_one_process(tmp_path):
    scores = {}
    for name in PLUGINS:
        try:
            case = importlib.import_module(f"tiny_{name}")
        except ImportError:  # its package, or the torchvision it needs, is not in this environment
            continue
        (tmp_path / name).mkdir()
        ranker = case.build(**case.checkpoint(tmp_path / name))
        (scored,) = score_each(ranker, sample_images()[:1], ["a red circle on white"])
        scores[name] = scored.score
    assert {"pickscore", "clip", "imagereward", "aesthetic", "hpsv3"} <= scores.keys()
    assert all(score == pytest.approx(score) for score in scores.values())  # NaN does not equal itself
