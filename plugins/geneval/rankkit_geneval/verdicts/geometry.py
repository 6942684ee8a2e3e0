"""Where boxes lie to each other. A box is (x1, y1, x2, y2) in pixels, y grows downwards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

POSITION_THRESHOLD = 0.1  # share of both sizes that an offset must exceed before it counts


def relations(a: Sequence[float], b: Sequence[float]) -> frozenset[str]:
    """How box `a` lies to box `b`: none, one or two of left of, right of, above, below.

    As Ghosh et al. 2023 (arXiv 2310.11513), section 3.

    The offset of the centres, less a tenth of both sizes along each axis, is divided by the length of the
    whole offset; an axis counts where more than half is left. So a sideways offset must exceed a fifth of the
    summed widths, two relations hold between 30 and 60 degrees far away, and overlap is no hindrance.
    Arithmetic is single precision, as the official detections are.
    """
    box_22 = np.asarray([a, b], np.float32)[:, :4].reshape(2, 2, 2)  # box, corner, axis
    centre_a, centre_b = box_22.mean(axis=1)
    size_a, size_b = np.abs(box_22[:, 1] - box_22[:, 0])
    offset = centre_a - centre_b
    beyond = np.maximum(
        np.abs(offset) - np.float32(POSITION_THRESHOLD) * (size_a + size_b), np.float32(0)
    ) * np.sign(offset)
    if np.all(np.abs(beyond) < 1e-3):
        return frozenset()
    dx, dy = beyond / np.linalg.norm(offset)
    held = {"left of": dx < -0.5, "right of": dx > 0.5, "above": dy < -0.5, "below": dy > 0.5}
    return frozenset(relation for relation, holds in held.items() if holds)


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union in [0, 1].

    Corners count as pixels of their own (the old PASCAL VOC convention, +1).
    """
    both = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    either = _area(a) + _area(b) - both
    return both / either if either else 0.0


def _area(box: Sequence[float]) -> float:
    return float(max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0))
