"""What a pairwise judge achieves per call, whether its position bias leaks, and what a group costs.

    python -m benchmarks.judge [recall] [equals] [cost] [cached] [verdicts] [--trials 1000]

`verdicts` is of the judge that needs no model, GenEval's scorer: how often it says what the official code
says.

The judges of `recall` and `equals` are simulated: utilities of the images are N(0, 1), and P(first wins) =
σ(s · difference + bias), drawn anew for every call, with s such that so many calls are right. A real judge
repeats its errors: more calls gain less than here.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import math
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import rankkit
from benchmarks.record import record
from rankkit.core import aggregate
from rankkit.testing import content_hash

Floats = NDArray[np.float64]
Pairs = list[tuple[int, int]]

GENEVAL = Path(__file__).parent.parent / "plugins" / "geneval" / "tests"
SIZES = (8, 16, 32)
JUDGES = {"strong": (0.80, 1.0), "realistic": (0.66, 0.5)}  # share of calls that are right, bias in logits
EXPECTED = {  # recall by design, judge and size in the simulation that the defaults were chosen by
    "every pair, first shown first": {"strong": (0.710, 0.759, 0.801), "realistic": (0.529, 0.614, 0.694)},
    "every pair, in random order": {"strong": (0.745, 0.800, 0.854), "realistic": (0.554, 0.650, 0.719)},
    "every pair, both orders": {"strong": (0.787, 0.842, 0.894), "realistic": (0.630, 0.721, 0.784)},
    "degree 4, both orders": {"strong": (0.707, 0.726, 0.724), "realistic": (0.491, 0.549, 0.565)},
    "degree 8, both orders": {"strong": (0.797, 0.792, 0.807), "realistic": (0.624, 0.651, 0.645)},
}


def designs(n: int, seed: int) -> dict[str, tuple[Pairs, str]]:
    """Which pairs, and in which order: "first", "random" or "both"."""
    every = aggregate.round_robin(n)
    return {
        "every pair, first shown first": (every, "first"),
        "every pair, in random order": (every, "random"),
        "every pair, both orders": (every, "both"),
        "degree 4, both orders": (aggregate.circulant(n, seed=seed, degree=4), "both"),
        "degree 8, both orders": (aggregate.schedule(n, seed=seed, degree=8), "both"),
    }


def sharpness(right: float, bias: float) -> float:
    """The s with which a share `right` of calls about random pairs is right, the bias notwithstanding."""
    gaps = np.abs(np.random.default_rng(0).normal(size=200_000) * math.sqrt(2))
    low, high = 0.0, 20.0
    for _ in range(40):
        s = (low + high) / 2
        share = np.mean(_sigmoid(s * gaps + bias) + _sigmoid(s * gaps - bias)) / 2
        low, high = (s, high) if share < right else (low, s)
    return s


def recall(trials: int) -> dict[str, Any]:
    """Mean overlap of the best and the worst quarter with the true ones, and its standard error, per design,
    judge and size.
    """
    found = []
    for judge, (right, bias) in JUDGES.items():
        s = sharpness(right, bias)
        for k, n in enumerate(SIZES):
            names = designs(n, 0)
            for name in names:
                values, calls = [], 0
                for trial in range(trials):
                    rng = np.random.default_rng([n, trial])
                    utilities = rng.normal(size=n)
                    pairs, order = designs(n, trial)[name]
                    theta, _ = aggregate.bradley_terry(_outcomes(rng, s * utilities, bias, pairs, order))
                    values.append(_overlap(rng, utilities, theta))
                    calls = len(pairs) * (2 if order == "both" else 1)
                mean, error = float(np.mean(values)), float(np.std(values) / math.sqrt(trials))
                row = {
                    "judge": judge,
                    "design": name,
                    "K": n,
                    "calls": calls,
                    "recall": round(mean, 3),
                    "stderr": round(error, 3),
                }
                found.append({**row, "expected": EXPECTED[name][judge][k]})
                print(json.dumps(found[-1]), flush=True)
    return {"trials": trials, "rows": found}


def _outcomes(rng: np.random.Generator, scaled: Floats, bias: float, pairs: Pairs, order: str) -> Floats:
    """Wins from hard verdicts; with both orders, verdicts that differ make one half (as
    `aggregate.both_orders` does).
    """
    i, j = np.array(pairs).T
    if order == "random":
        swap = rng.random(len(i)) < 0.5
        i, j = np.where(swap, j, i), np.where(swap, i, j)
    shown_first = rng.random(len(i)) < _sigmoid(scaled[i] - scaled[j] + bias)
    if order != "both":
        return aggregate.wins(
            len(scaled), [(int(a), int(b), float(y), 1.0) for a, b, y in zip(i, j, shown_first, strict=True)]
        )
    shown_second = rng.random(len(i)) >= _sigmoid(scaled[j] - scaled[i] + bias)
    p = [aggregate.both_orders(float(a), float(b))[0] for a, b in zip(shown_first, shown_second, strict=True)]
    return aggregate.wins(len(scaled), [(int(a), int(b), q, 2.0) for a, b, q in zip(i, j, p, strict=True)])


def _overlap(rng: np.random.Generator, truth: Floats, theta: Floats) -> float:
    m, mixed = len(truth) // 4, rng.permutation(len(truth))  # ties are broken by chance
    true, said = np.argsort(truth), mixed[np.argsort(theta[mixed], kind="stable")]
    return (len(set(true[:m]) & set(said[:m])) + len(set(true[-m:]) & set(said[-m:]))) / (2 * m)


def equals(trials: int) -> dict[str, Any]:
    """Mean win rate by place of eight images that are equally good, by rankkit.Pairwise and with the first
    always shown first.
    """
    luck = np.random.default_rng(0)
    found = []
    for judge, (_, bias) in JUDGES.items():
        for kind in ("one verdict a call", "probabilities"):
            ours, naive = np.zeros(8), np.zeros(8)
            for trial in range(trials):
                ranker = rankkit.build(_tosses(luck, bias, hard=kind == "one verdict a call"))
                images = tuple(
                    Image.new("RGB", (1, 1), (trial % 256, trial // 256, i))
                    for i in luck.permutation(256)[:8]
                )
                (ranking,) = ranker.rank([rankkit.Group("", images)])
                ours += [each["win_rate"] for each in ranking.details]
                wins = [
                    (i, j, float(luck.random() < _sigmoid(bias)), 1.0) for i, j in aggregate.round_robin(8)
                ]
                naive += aggregate.borda(aggregate.wins(8, wins))
            rates = [round(float(rate), 3) for rate in ours / trials]
            first = [round(float(rate), 3) for rate in naive / trials]
            worst = max(abs(rate - 0.5) for rate in rates)
            row = {
                "judge": judge,
                "bias": bias,
                "answers": kind,
                "win rates": rates,
                "first shown first": first,
            }
            found.append({**row, "worst": round(worst, 3)})
            print(json.dumps(found[-1]), flush=True)
    return {"trials": trials, "rows": found, "within 3 points": all(row["worst"] <= 0.03 for row in found)}


def _tosses(luck: np.random.Generator, bias: float, *, hard: bool) -> Callable[..., list[float]]:
    def compare(firsts: list[Image.Image], seconds: list[Image.Image]) -> list[float]:
        p = float(_sigmoid(np.float64(bias)))
        return [float(luck.random() < p) if hard else p for _ in firsts]

    return compare


def cost() -> dict[str, Any]:
    """Calls and tokens of a group of 512 × 512 images.

    Image tokens are exact (32 or 28 pixels a side), text is characters / 4.
    """
    from rankkit_vlm_judge import questions
    from rankkit_vlm_judge.images import EncodedImage

    image = EncodedImage(Image.new("RGB", (512, 512)), 768)
    asked = questions.which_is_better(
        "a photograph of two red apples on a wooden table beside a window", image, image
    )
    words = [
        asked.system,
        *(part for part in asked.parts if isinstance(part, str)),
        asked.ending(questions.FORCED),
    ]
    text = math.ceil(sum(map(len, words)) / 4)
    sides = {"Qwen3-VL": 32, "Qwen2.5-VL": 28}
    found = []
    for n in SIZES:
        calls = 2 * len(aggregate.schedule(n))
        tokens = {name: calls * (2 * round(512 / side) ** 2 + text + 1) for name, side in sides.items()}
        found.append({"K": n, "calls": calls, "tokens": tokens})
        print(json.dumps(found[-1]), flush=True)
    return {"text tokens a call (estimate)": text, "rows": found}


def cached() -> dict[str, Any]:
    """Seconds to rank a group anew when every verdict is in the cache, and the first time, with a server that
    answers at once.
    """
    found = []
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        for n in SIZES:
            rng = np.random.default_rng(n)
            images = tuple(
                Image.fromarray(rng.integers(0, 255, (512, 512, 3), dtype=np.uint8)) for _ in range(n)
            )
            group = rankkit.Group("a prompt", images)
            judge = rankkit.load("vlm-judge", url=url, model="fake", cache=str(Path(folder, f"{n}.sqlite")))
            seconds = [_seconds(lambda group=group, judge=judge: judge.rank([group])) for _ in range(6)]
            again = seconds[1:]
            row = {
                "K": n,
                "calls": 2 * len(aggregate.schedule(n)),
                "first": round(seconds[0], 3),
                "median": round(statistics.median(again), 3),
            }
            found.append({**row, "min": round(min(again), 3), "max": round(max(again), 3), "n": len(again)})
            print(json.dumps(found[-1]), flush=True)
    return {"pictures": "512 x 512 noise", "rows": found}


def verdicts() -> dict[str, Any]:
    """GenEval's scorer beside the official code's verdicts on synthetic scenes, and beside what follows from
    human answers.
    """
    from rankkit_geneval import Detection, judge

    sys.path.insert(0, str(GENEVAL))
    table, humans = (importlib.import_module(name) for name in ("test_geneval_judge", "test_geneval_humans"))
    worked = [
        (judge(metadata, found).correct, correct) for metadata, found, correct, _, _ in table.TABLE.values()
    ]
    scenes = []
    for row in map(json.loads, gzip.open(table.CASES, "rt")):
        found = {
            name: [Detection(tuple(d["box"]), d["score"], d["color"]) for d in each]
            for name, each in row["detections"].items()
        }
        scenes.append((judge(row["metadata"], found).correct, row["correct"]))
    answers = [
        (judge(asked, humans.detections(row, asked)).correct, humans.follows(row, asked))
        for row, asked in humans.answers()
    ]
    rows = []
    for name, pairs in (("worked cases", worked), ("synthetic scenes", scenes), ("human answers", answers)):
        agreed = sum(ours == theirs for ours, theirs in pairs)
        rows.append(
            {
                "verdicts": name,
                "n": len(pairs),
                "correct": sum(theirs for _, theirs in pairs),
                "agreement": agreed / len(pairs),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        p = 0.2 + 0.6 * int(content_hash(Image.new("L", (1, 1), sum(sent) % 256))[:8], 16) / 2**32
        top = [{"token": token, "logprob": math.log(value)} for token, value in (("A", p), ("B", 1 - p))]
        choice = {
            "message": {"content": "A"},
            "finish_reason": "length",
            "logprobs": {"content": [{"top_logprobs": top}]},
        }
        data = json.dumps(
            {"model": "fake", "choices": [choice], "usage": {"prompt_tokens": 850, "completion_tokens": 1}}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def _server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def main() -> None:
    """Measure what is named, or everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="recall|equals|cost|cached|verdicts", help="all of them if none is named"
    )
    parser.add_argument("--trials", type=int, default=1000)
    given = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "recall": lambda: recall(given.trials),
        "equals": lambda: equals(given.trials),
        "cost": cost,
        "cached": cached,
        "verdicts": verdicts,
    }
    for name in given.parts or list(parts):
        trials = f" --trials {given.trials}" if name in ("recall", "equals") else ""
        record("judge", name, f"python -m benchmarks.judge {name}{trials}", parts[name])


if __name__ == "__main__":
    main()
