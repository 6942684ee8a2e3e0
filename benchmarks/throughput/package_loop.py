"""The other side of `benchmarks.throughput.packages`, run by the interpreter of a package's environment.

PYTHON -I benchmarks/throughput/package_loop.py NAME OPTIONS.json THREADS

Loads the package, or what PickScore's README loads, once and says in a line what it is. For each line of
JSON that follows, a list of [prompt, [path, …]], it calls the package's own function with each prompt and its
paths, and answers in a line: the seconds by the clock and of the CPU, and the scores of all paths, in order.
"""

import importlib
import importlib.metadata
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


class PickScore:
    """What PickScore's README loads."""

    def __init__(self, checkpoint: str) -> None:
        transformers = importlib.import_module("transformers")
        self.model = transformers.CLIPModel.from_pretrained(checkpoint).eval()
        self.processor = transformers.AutoProcessor.from_pretrained(checkpoint)

    @staticmethod
    def version() -> str:
        """The packages that do the work."""
        return f"transformers-{importlib.metadata.version('transformers')}"


def pickscore(ranker: Any, prompt: str, paths: list[str]) -> list[float]:
    """The steps that PickScore's README shows, for the images of one prompt."""
    torch, image = importlib.import_module("torch"), importlib.import_module("PIL.Image")
    options = {"padding": True, "truncation": True, "max_length": 77, "return_tensors": "pt"}
    seen = ranker.processor(images=[image.open(path) for path in paths], return_tensors="pt")
    read = ranker.processor(text=prompt, **options)
    with torch.no_grad():
        images_BD, text_1D = ranker.model.get_image_features(**seen), ranker.model.get_text_features(**read)
        images_BD, text_1D = (getattr(each, "pooler_output", each) for each in (images_BD, text_1D))
        images_BD = images_BD / torch.norm(images_BD, dim=-1, keepdim=True)
        text_1D = text_1D / torch.norm(text_1D, dim=-1, keepdim=True)
        found: list[float] = (ranker.model.logit_scale.exp() * (text_1D @ images_BD.T)[0]).tolist()
        return found


LOOPS: dict[str, Callable[[Any, str, list[str]], list[float]]] = {
    "hpsv2-official": hpsv2,
    "imagereward-official": imagereward,
    "pickscore-readme": pickscore,
}


def main() -> None:
    """Answer until there are no more lines."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints goes to stderr
    name, options, threads = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    ranker: Any = PickScore(**options) if name == "pickscore-readme" else load_here(name, **options)
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
