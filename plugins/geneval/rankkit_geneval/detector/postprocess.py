"""From the detector's raw numbers to instances with box, mask and score, as in mmdet 2.28.2.

transformers' own post-processing is not used: it measures masks on a 384 x 384 square, whatever
the image's shape, and does not sort.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from rankkit_geneval.detector.resize import Prepared
from rankkit_geneval.verdicts.judge import Box, Detection

TOP = 100  # best (query, class) pairs that are used; one query can be two things
EPSILON = 1e-6

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Instance(Detection):
    """A detection with the mask it was made of.

    The mask is True where the thing is, and has the size (height, width) of the image.
    """

    mask: Mask | None = field(default=None, compare=False, repr=False)


def instances(
    class_logits_QC: torch.Tensor, mask_logits_QHW: torch.Tensor, prepared: Prepared, *, at_least: float = 0.0
) -> list[tuple[int, Instance]]:
    """Label and instance of the 100 best (query, class) pairs of one image, best first.

    `class_logits_QC` has the 80 labels and "nothing" last; `mask_logits_QHW` are at the detector's own scale.
    The score is the class probability times the mean sigmoid of the mask's pixels; boxes are tight, in pixels
    of the image, with exclusive right and lower edges, and all zero for an empty mask. Pairs whose score
    cannot exceed `at_least` are left out, which saves drawing their masks.
    """
    probability_QL = class_logits_QC.float().softmax(-1)[:, :-1]
    labels = probability_QL.shape[1]
    best_K, place_K = probability_QL.flatten().topk(min(TOP, probability_QL.numel()))
    hopeful_K = best_K > at_least - 1e-3  # a mean sigmoid is at most 1
    best_K, query_K, label_K = best_K[hopeful_K], place_K[hopeful_K] // labels, place_K[hopeful_K] % labels
    found = []
    for probability, query, label in zip(best_K, query_K, label_K, strict=True):
        logits_HW = full_size(mask_logits_QHW[query].float(), prepared)
        mask_HW = logits_HW > 0
        certainty = (logits_HW.sigmoid() * mask_HW).sum() / (mask_HW.sum() + EPSILON)
        score = float(probability * certainty)
        if score >= at_least:
            mask = mask_HW.cpu().numpy()
            found.append((int(label), Instance(tight_box(mask), score, mask=mask)))
    return sorted(found, key=lambda pair: -pair[1].score)


def full_size(logits_HW: torch.Tensor, prepared: Prepared) -> torch.Tensor:
    """One mask from the detector's scale to the image's.

    Up to the padded input, padding cut off, then to the original size.
    """
    padded = F.interpolate(
        logits_HW[None, None], prepared.pixels_3HW.shape[1:], mode="bilinear", align_corners=False
    )
    height, width = prepared.resized
    return F.interpolate(
        padded[..., :height, :width], prepared.original, mode="bilinear", align_corners=False
    )[0, 0]


def tight_box(mask_HW: Mask) -> Box:
    """The smallest x1, y1, x2, y2 that holds a mask; x2 and y2 are the last index plus one.

    Zeros if it is empty.
    """
    if not mask_HW.any():
        return 0.0, 0.0, 0.0, 0.0
    rows, columns = (np.flatnonzero(mask_HW.any(axis=axis)) for axis in (1, 0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
