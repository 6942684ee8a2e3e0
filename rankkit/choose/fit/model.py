"""The model: a score that is linear in standardised features, and a logistic Bradley–Terry of its
differences.

P(i is chosen over j) = 1 / (1 + exp(-(z_i - z_j)·w)), with an L2 penalty on w and no intercept, by
scikit-learn; a tie counts as half a win of either. Legend: n answers, m images, d features.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankkit.choose.fit.basic import Floats

STRENGTHS = tuple(10.0**power for power in np.arange(-1.5, 2.26, 0.75))
"""Values of C that are tried: the weight of the answers against the penalty ``|w|²/2``."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How features are standardised, (d,) each; the `scale` of those that never vary is infinite.

    Each part of the features has the same weight as a whole, however many numbers it gives. No feature counts
    for more than one standard deviation beyond what was seen of it, from `low` to `high`: far from the images
    that were judged a line is a guess, and a generator that is trained on it would go there.
    """

    mean: Floats
    scale: Floats
    low: Floats
    high: Floats

    def apply(self, features_md: Floats) -> Floats:
        """Standardised features, (…, d)."""
        return (np.clip(features_md, self.low, self.high) - self.mean) / self.scale


def scale_of(matrices: Sequence[Floats]) -> Scale:
    """The scale of the features of these images, part by part."""
    means, scales = [], []
    for matrix in matrices:
        spread = matrix.std(0)
        spread[spread <= 1e-9 * np.maximum(1, np.abs(matrix).max(0))] = np.inf
        varying = max(int(np.isfinite(spread).sum()), 1)
        means.append(matrix.mean(0))
        scales.append(spread * np.sqrt(varying))
    whole = np.concatenate(matrices, 1)
    low, high = whole.min(0) - whole.std(0), whole.max(0) + whole.std(0)
    return Scale(np.concatenate(means), np.concatenate(scales), low, high)


def compact(differences_nd: Floats) -> Floats:
    """The same differences in at most n coordinates: every fit and every prediction stays as it is."""
    n, d = differences_nd.shape
    if d <= n:
        return differences_nd
    left, lengths, _ = np.linalg.svd(differences_nd, full_matrices=False)
    return left * lengths


def weights(differences_nd: Floats, share_n: Floats, strengths: Sequence[float]) -> Floats:
    """The fitted w for each strength, (strengths, d)."""
    from sklearn import config_context
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    # every other pair is turned round, which says the same: both classes are there
    n = len(share_n)
    turned = (np.arange(n) % 2 == 0) == (share_n < 0.5)
    first_n = np.where(turned, 1 - share_n, share_n)
    X = np.tile(np.where(turned[:, None], -differences_nd, differences_nd), (2, 1))
    y, count = np.repeat((1, 0), n), np.concatenate((first_n, 1 - first_n))
    used = count > 0
    found = []
    with warnings.catch_warnings(), config_context(assume_finite=True, skip_parameter_validation=True):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in strengths:
            model = LogisticRegression(
                C=strength, fit_intercept=False, solver="newton-cholesky", max_iter=100, tol=1e-6
            )
            model.fit(X[used], y[used], count[used])
            found.append(model.coef_[0].astype(np.float64))
    return np.stack(found)


def losses(margins: Floats, share_n: Floats) -> Floats:
    """Minus the log likelihood of each answer, in nats, for margins (…, n) in logits."""
    return share_n * np.logaddexp(0, -margins) + (1 - share_n) * np.logaddexp(0, margins)
