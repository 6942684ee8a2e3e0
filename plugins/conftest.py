"""Every plugin's tests: no network, one thread; tiny cases and benchmarks can be imported."""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path[:0] = [str(folder) for folder in sorted(Path(__file__).parent.glob("*/tests"))]
sys.path.append(str(Path(__file__).parents[1]))


def pytest_configure():
    try:
        import torch
    except ImportError:
        return
    # without PyTorch, the folder plugins/torch can be imported by that name
    if hasattr(torch, "set_num_threads"):
        torch.set_num_threads(1)
