"""Golden scores: what the reference said on drawn weights, kept in golden.json and checked ever after."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from PIL import Image

from rankkit import Group, Ranker
from rankkit.plugin import decode
from rankkit_torch.checkpoints import weights_id
from rankkit_torch.testing import PROMPTS, inputs_id, sample_files, sample_images

TOLERANCE = 1e-4  # of the spread of the scores
PROMPT = PROMPTS[0]  # of every file
SAME, BOTH, WRONG = "the same score", "both refuse", "WRONG"
RGB, FAILS = (
    "its score of the RGB image, not of the file",
    "it fails on the file; ours is its score of the RGB image",
)
HALVES = ("bfloat16", "float16")
PACKAGES = ("torch", "transformers", "open_clip_torch", "torchvision", "pillow", "numpy")


class Case(Protocol):
    """A tiny checkpoint of one ranker in its own format, and another implementation's loop over it.

    A module serves as one.

    `checkpoint` writes the files and returns the options that use them; `reference` scores pairs with those
    options.
    """

    def checkpoint(self, folder: Path, /) -> dict[str, Any]:
        """Write a checkpoint with drawn weights; return the ranker's options for it."""
        ...

    def build(self, **options: Any) -> Ranker:
        """The ranker."""
        ...

    def reference(self, images: Sequence[Image.Image], prompts: Sequence[str], **options: Any) -> list[float]:
        """One score per pair from an implementation that is not ours."""
        ...


def table(
    score: Callable[[Sequence[Image.Image], Sequence[str]], Sequence[float]],
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of every golden prompt (rows) with every golden image (columns)."""
    images = sample_images()
    flat = score(images * len(PROMPTS), [prompt for prompt in PROMPTS for _ in images])
    return np.asarray(flat, dtype=np.float64).reshape(len(PROMPTS), len(images))


def scores_of(ranker: Ranker, prompts: Sequence[str] = PROMPTS) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A ranker's scores of the golden inputs; NaN where it abstained."""
    images = tuple(sample_images())
    return np.asarray(
        [ranking.scores for ranking in ranker.rank([Group(prompt, images) for prompt in prompts])]
    )


def block(case: Case | ModuleType) -> dict[str, Any]:
    """Compare a ranker with its reference on the same tiny checkpoint: the `tiny` block of golden.json.

    Differences are in units of the spread (standard deviation) of the reference's scores.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = case.checkpoint(Path(folder))
        ours = scores_of(case.build(**options))
        theirs = table(lambda images, prompts: case.reference(images, prompts, **options))
        halves = {dtype: scores_of(case.build(**options, dtype=dtype)) for dtype in HALVES}
        usual, weights = (
            scores_of(case.build(**options, dtype="auto"), PROMPTS[:1]),
            weights_id(str(options["checkpoint"])),
        )
    found = {
        "weights": weights,
        "inputs": inputs_id(sample_images(), PROMPTS),
        "versions": versions(),
        "reference": str(case.__doc__).strip(),
    }
    tables = {"float32": ours, **halves}
    default = min(tables, key=lambda dtype: float(np.abs(tables[dtype][:1] - usual).max()))
    spread = {
        "spread": float(theirs.std()),
        "spread_of_size": float(theirs.std() / np.abs(theirs).mean()),
        "default_dtype": default,
    }
    lost = {dtype: difference(table, ours) for dtype, table in halves.items()}
    return {
        **found,
        **spread,
        "against_reference": difference(ours, theirs),
        "against_float32": lost,
        "scores": theirs.tolist(),
    }


def difference(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Largest difference between two tables, and how far the orders within prompts agree.

    Absolute, and in units of b's spread.
    """
    largest = float(np.abs(a - b).max())
    taus = [tau(row_a, row_b) for row_a, row_b in zip(a, b, strict=True)]
    return {
        "max": largest,
        "max_of_spread": largest / float(b.std()),
        "kendall_min": min(taus),
        "kendall_mean": float(np.mean(taus)),
    }


def assert_parity(ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Assert that two lists of scores differ by at most `TOLERANCE` of the spread of the second.

    So they order alike all that lies further apart than twice that. Float32 is summed in another order on
    every processor: this is what a card states for all of them; a bound of a few roundings holds on one.
    """
    found = difference(np.atleast_2d(ours), np.atleast_2d(theirs))
    assert found["max_of_spread"] <= TOLERANCE, found


def tau(a: Sequence[float], b: Sequence[float]) -> float:
    """Kendall's tau-b of two lists of scores; 1 when both order alike.

    >>> tau([1, 2, 3], [10, 20, 30]), tau([1, 2], [2, 1])
    (1.0, -1.0)
    """
    upper = np.triu_indices(len(a), 1)
    first, second = (np.sign(np.subtract.outer(np.asarray(x), np.asarray(x))[upper]) for x in (a, b))
    pairs = math.sqrt(float((first != 0).sum()) * float((second != 0).sum()))
    return float((first * second).sum()) / pairs if pairs else 1.0


def check(
    path: Path, case: Case | ModuleType, folder: Path, *, size: str = "tiny", prompts: int = len(PROMPTS)
) -> None:
    """Assert that a ranker still gives the golden scores of a block.

    To 1e-4 of their spread and in the same order.

    `size`: the block, `tiny` or `full`. `prompts`: score so many of them only, where a ranker is slow.
    """
    golden = json.loads(path.read_text("utf-8"))[size]
    assert golden["inputs"] == inputs_id(sample_images(), PROMPTS), (
        "the golden inputs changed; write golden.json anew"
    )
    write = case.checkpoint if size == "tiny" else getattr(case, size)
    ranker = case.build(**write(folder))
    made, here = golden["versions"], versions()
    same = made["pillow"].split(".")[0] == here["pillow"].split(".")[0]
    # Pillow 13 and 12 resize tall ones a level of 255 apart
    seen = [same or image.height < 3 * image.width for image in sample_images()]
    found = difference(
        scores_of(ranker, PROMPTS[:prompts])[:, seen], np.asarray(golden["scores"])[:prompts, seen]
    )
    assert found["max_of_spread"] <= TOLERANCE, (found, f"golden with {made}, now with {here}")
    assert found["kendall_min"] >= 0.999, found


def files_block(ranker: Ranker, seen: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Our score of every file, or why there is none.

    Beside what the reference says of it and of the RGB image made of it.
    """
    with tempfile.TemporaryDirectory() as folder:
        return {
            path.name: {**seen[path.name], "ours": _of_file(ranker, path)}
            for path in sample_files(Path(folder))
        }


def verdict(row: Mapping[str, Any], spread: float) -> str:
    """How our answer to a file compares with the reference's.

    `SAME`, `RGB`, `FAILS`, `BOTH`, or `WRONG` where it is none of these.
    """

    def near(other: object) -> bool:
        return isinstance(other, float) and abs(other - row["ours"]) <= TOLERANCE * spread

    if isinstance(row["ours"], str):
        return BOTH if isinstance(row["file"], str) else WRONG
    if near(row["file"]):
        return SAME
    return WRONG if not near(row["rgb"]) else FAILS if isinstance(row["file"], str) else RGB


def check_files(path: Path, case: Case | ModuleType, folder: Path) -> None:
    """Assert that a ranker still answers to every file as golden.json has it.

    And that this is what the reference says.
    """
    golden = json.loads(path.read_text("utf-8"))
    size, rows = golden["files"]["size"], golden["files"]["rows"]
    write = case.full if size == "full" else case.checkpoint  # type: ignore[union-attr]
    found = files_block(case.build(**write(folder)), rows)
    assert found.keys() == rows.keys()
    for name, row in found.items():
        assert verdict(row, golden[size]["spread"]) == verdict(rows[name], golden[size]["spread"]) != WRONG, (
            name,
            row,
            rows[name],
        )


def _of_file(ranker: Ranker, path: Path) -> float | str:
    decoded = decode(path.read_bytes())
    if decoded.image is None:
        return str(decoded.error)
    (ranking,) = ranker.rank([Group(PROMPT, (decoded.image,))])
    return str(ranking.details[0]["error"]) if math.isnan(ranking.scores[0]) else ranking.scores[0]


def versions() -> dict[str, str]:
    """Versions of the packages that have a say in a score."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
