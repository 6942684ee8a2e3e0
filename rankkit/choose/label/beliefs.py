"""What the answers about one prompt say of its top, and which pair would tell most.

Legend: n images; W (n, n) as in `rankkit.core.aggregate`; theta (n,) are utilities in logits.

The answer about i and j tells ½ log(1 + v·p(1-p)) nats of the utilities, where v is the posterior variance of
their difference and p the chance that i is chosen (the information that a measurement of that precision
brings: MacKay, Information-based objective functions for active data selection, 1992; for comparisons:
Glickman & Jensen, Adaptive paired comparison design, 2005). Of that counts what concerns the top: the
information is taken times the chance that exactly one of the two is among the top. For a top of one that is
the chance that either is the best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rankkit.core.aggregate import Floats, posterior

DRAWS = 1000  # of the posterior, by which chances are estimated
SETTLED = 0.85  # a prompt whose top is so sure needs no more answers: of two images, after two like ones
LEAST = 0.05  # nor does one where the best answer would tell less than this, in nats: its best are equals


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known of one prompt: `utilities` (n,) in logits, `among_top` (n,) the chance that each image is
    among the top, and `gain` (n, n), what the answer about each pair would tell of the top, in nats; `most`
    is the greatest. `settled` is how sure the top is, from 0 to 1: the mean chance that those who lead belong
    there.
    """

    utilities: Floats
    among_top: Floats
    gain: Floats
    top: int
    settled: float
    most: float

    @property
    def way(self) -> float:
        """How far the answers are on the way from nothing known (0) to no more needed (1)."""
        start = self.top / len(self.utilities)
        return 1.0 if self.done else min(max((self.settled - start) / max(SETTLED - start, 1e-9), 0.0), 0.99)

    @property
    def done(self) -> bool:
        """Whether more answers would tell little."""
        return self.settled >= SETTLED or self.most < LEAST


def belief(W: Floats, top: int = 1, *, seed: int = 0) -> Belief:
    """What wins say of at least two images; `top` is how many of them one wants to know.

    Chances are shares of draws from the posterior, which `seed` makes repeatable.
    """
    n = len(W)
    top = min(top, n - 1)
    theta, covariance = posterior(W)
    noise = np.random.default_rng(seed).standard_normal((DRAWS, n))
    drawn = theta + noise @ np.linalg.cholesky(covariance).T
    bar = np.partition(drawn, n - top, axis=1)[:, n - top, None]
    member = (drawn >= bar).astype(np.float64)
    share = member.mean(0)
    split = share[:, None] + share[None, :] - 2 * (member.T @ member) / DRAWS
    if not W.any():  # then all images are alike, and so are all pairs
        share[:] = top / n
        split[:] = 2 * top * (n - top) / (n * (n - 1))
    gain = _information(theta, covariance) * np.maximum(split, 0)
    leaders = np.argsort(-theta, kind="stable")[:top]
    return Belief(theta, share, gain, top, float(share[leaders].mean()), float(gain.max()))


def _information(theta: Floats, covariance: Floats) -> Floats:
    variance = np.diag(covariance)
    of_difference = np.maximum(variance[:, None] + variance[None, :] - 2 * covariance, 0)
    p = 0.5 * (1 + np.tanh(0.5 * (theta[:, None] - theta[None, :])))
    return 0.5 * np.log1p(of_difference * p * (1 - p))
