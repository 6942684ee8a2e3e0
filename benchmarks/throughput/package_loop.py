"""The other side of `benchmarks.throughput.packages`, run by the interpreter of a package's environment.

PYTHON -I benchmarks/throughput/package_loop.py NAME OPTIONS.json THREADS

Loads the package once and says in a line what it is. For each line of JSON that follows, a list of
[prompt, [path, …]], it calls the package's own function with each prompt and its paths, and answers in a
line: the seconds by the clock and of the CPU, and the scores of all paths, in order.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from rankkit import load_here


def hpsv2(ranker: Any, prompt: str, paths: list[str]) -> list[float]:
    """`hpsv2.score`, which reads its checkpoint for every prompt, and the prompt for every image."""
    return [
        float(score)
        for score in ranker.package.score(paths, prompt, cp=ranker.checkpoint, hps_version=ranker.name)
    ]


def imagereward(ranker: Any, prompt: str, paths: list[str]) -> list[float]:
    """`inference_rank`, under `no_grad` as in the package's README: image by image."""
    with importlib.import_module("torch").no_grad():
        _, rewards = ranker.model.inference_rank(prompt, paths)
    return [float(reward) for reward in rewards]


LOOPS: dict[str, Callable[[Any, str, list[str]], list[float]]] = {
    "hpsv2-official": hpsv2,
    "imagereward-official": imagereward,
}


def main() -> None:
    """Answer until there are no more lines."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints goes to stderr
    name, options, threads = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    ranker: Any = load_here(name, **options)
    torch = importlib.import_module("torch")
    torch.set_num_threads(threads)
    print(
        json.dumps({"package": f"{type(ranker).version()}+torch-{torch.__version__}"}), file=out, flush=True
    )
    for line in sys.stdin:
        wall, spent = time.perf_counter(), time.process_time()
        scores = [score for prompt, paths in json.loads(line) for score in LOOPS[name](ranker, prompt, paths)]
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        print(json.dumps({"seconds": wall, "CPU seconds": spent, "scores": scores}), file=out, flush=True)


if __name__ == "__main__":
    main()
