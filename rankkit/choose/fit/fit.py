"""Fit a taste to labels, and write it into a folder that is a ranker."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rankkit.analysis.stats import Rate, win_interval
from rankkit.choose.fit import model
from rankkit.choose.fit.collect import CACHE, Collector
from rankkit.choose.fit.features import BASIC, parts_of
from rankkit.choose.fit.folds import folds
from rankkit.choose.fit.held_out import HeldOut, try_out
from rankkit.choose.fit.labels import Labels, check_enough, open_labels, read_labels
from rankkit.choose.fit.measured import Measured, measure
from rankkit.choose.fit.taste import Taste, check_folder, labels_id, save
from rankkit.errors import BadSource, UsageError


@dataclass(frozen=True)
class Fit:
    """A taste, what it was fitted to, and how well it does where it has seen neither image.

    `consistency` is how often a question that was asked again was answered as before, `agreement` how often
    people who answered the same question agree; None where there was none. `weights` are those of features
    by name, in logits per standard deviation, the heaviest first.
    """

    folder: Path
    taste: Taste
    labels: Labels
    measured: Measured
    held_out: HeldOut
    consistency: Rate | None
    agreement: Rate | None
    weights: tuple[tuple[str, float], ...]


def fit(
    paths: list[str | os.PathLike[str]] | list[Path],
    output: str | os.PathLike[str],
    *,
    features: str = BASIC,
    folder: str | os.PathLike[str] | None = None,
    who: str | None = None,
    progress: Callable[[int], object] = lambda done: None,
) -> Fit:
    """Fit a taste to files of choices and write it into the folder `output`.

    The files are those of `rankkit label`, or in any layout that `rankkit agree` reads; `folder` is where
    their paths start, by default each file's own folder. `features` are ``a+b``
    (`rankkit.choose.fit.features`). `who` takes the answers of one person. `progress` is told how many images
    are measured.

    Raises `UsageError` and `BadSource`, in words, for what cannot be fitted; no more is written then than
    features that were computed.
    """
    _check_packages()
    out, parts = Path(output), parts_of(features)
    files = open_labels(paths, None if folder is None else Path(folder))
    labels, choices = read_labels(files, who)
    was_there = out.exists()
    check_folder(out)
    try:
        measured = measure(choices, Collector(parts, out / CACHE, progress))
        decided = len(measured.answers) - measured.ties
        check_enough(labels, decided, measured.ties, measured.faults, measured.unread)
        taste, held_out = _fitted(measured)
        save(taste, out)
    except OSError as error:
        raise UsageError(f"{out} cannot be written ({error.strerror}); give another folder with -o") from None
    finally:
        if not was_there:
            with suppress(OSError):  # where anything was kept
                out.rmdir()
    alike, again = labels.repeated
    consistency = win_interval([1.0] * alike + [0.0] * (again - alike)) if again else None
    return Fit(
        out,
        taste,
        labels,
        measured,
        held_out,
        consistency,
        measured.between_people(),
        _weights(measured, taste),
    )


def _check_packages() -> None:
    try:
        import safetensors  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError:
        raise UsageError(
            "rankkit fit needs scikit-learn and safetensors: pip install 'rankkit-t2i[fit]'"
        ) from None


def _fitted(measured: Measured) -> tuple[Taste, HeldOut]:
    """The taste of all answers, and how well it does on held-out ones."""
    scale = model.scale_of(measured.matrices)
    if not np.isfinite(scale.scale).any():
        raise BadSource(
            "the features of all images are alike, so nothing tells them apart; name others by --features"
        )
    z = scale.apply(np.concatenate(measured.matrices, 1))
    pairs = np.array([(each.first, each.second) for each in measured.answers])
    differences, share = z[pairs[:, 0]] - z[pairs[:, 1]], measured.share
    images, prompts = measured.numbered(0), measured.numbered(1)
    split = folds([(int(i), int(j)) for i, j in images[pairs]], prompts[pairs[:, 0]].tolist())
    held_out = try_out(differences, share, split, measured.names, measured.kinds)
    weights = model.weights(differences, share, [held_out.strength])[0]
    items = measured.items
    said = labels_id([(*items[each.first], *items[each.second], each.share) for each in measured.answers])
    rate = held_out.taste
    about = {
        "answers": len(measured.answers),
        "images": len(set(images.tolist())),
        "held_out": {"rate": rate.rate, "low": rate.low, "high": rate.high, "answers": held_out.tried},
    }
    return Taste(measured.made_of, scale, weights, said, about), held_out


def _weights(measured: Measured, taste: Taste) -> tuple[tuple[str, float], ...]:
    """The weights of the features that have names of their own."""
    spread = np.concatenate([matrix.std(0) for matrix in measured.matrices])
    values = (taste.weights / taste.scale.scale * spread).tolist()
    named = zip(measured.names, measured.kinds, values, strict=True)
    found = [(name, value) for name, kind, value in named if kind != "embedding"]
    return tuple(sorted(found, key=lambda each: -abs(each[1])))
