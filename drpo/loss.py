"""The loss of one prompt: towards what was preferred, away from what was not, and not far from the base
(arXiv 2606.02521).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from drpo.config import Config
from drpo.drift import drift_loss
from drpo.preference import Anchors
from drpo.types import LogRow

Drift = Callable[..., tuple[Tensor, dict[str, Tensor]]]
"""A function with the arguments and the answer of `drpo.drift.drift_loss`."""


@dataclass(frozen=True, slots=True)
class AnchorFeatures:
    """Detached features, by key, of the images that attract and of those that repel, with one weight per
    image.
    """

    positive: Mapping[str, Tensor]
    positive_weight: Sequence[float]
    negative: Mapping[str, Tensor]
    negative_weight: Sequence[float]


def select_rows(points: Mapping[str, Tensor], anchors: Anchors) -> AnchorFeatures:
    """The anchors' rows of the features of a group: nothing is encoded twice."""
    positive, negative = (
        {key: z[list(side)].detach() for key, z in points.items()}
        for side in (anchors.positive, anchors.negative)
    )
    return AnchorFeatures(positive, anchors.positive_weight, negative, anchors.negative_weight)


def drpo_loss(
    points: Mapping[str, Tensor],
    anchors: AnchorFeatures,
    start: Mapping[str, Tensor],
    config: Config,
    *,
    drift: Drift = drift_loss,
) -> tuple[Tensor, LogRow]:
    """Preference term plus `reference_weight` times the reference term, over all feature keys, and their
    sizes.

    `points` are features of the candidates, `start` those of the base's samples from the same noises (empty
    without a reference). `drift` is another field of the preferences, where one is tried.
    """
    preferences, references, field = [], [], []
    for key, z in points.items():
        preference, info = _towards_preferred(z, key, anchors, config, drift)
        preferences.append(preference)
        field.append(info["field_rms"].mean())
        if start:
            references.append(_towards_reference(z, start[key], info["scale"], config))
    reduce = torch.sum if config.reduce == "sum" else torch.mean
    loss = reduce(torch.stack(preferences))
    row = {"field_rms": torch.stack(field).mean().item()}
    if references:
        reference = reduce(torch.stack(references))
        loss, row["reference"] = loss + config.reference_weight * reference, reference.item()
    return loss, row


def _towards_preferred(
    z: Tensor, key: str, anchors: AnchorFeatures, config: Config, drift: Drift
) -> tuple[Tensor, dict[str, Tensor]]:
    positive, negative = anchors.positive[key], anchors.negative[key]
    loss, info = drift(
        _one_set(z),
        _one_set(positive),
        _one_set(negative),
        positive_weight=config.positive_weight * _per_point(anchors.positive_weight, positive),
        negative_weight=config.negative_weight * _per_point(anchors.negative_weight, negative),
        radii=config.radii,
        kernel=config.kernel,
        field=config.field,
    )
    return loss.mean(), info


def _towards_reference(z: Tensor, z_start: Tensor, scale: Tensor, config: Config) -> Tensor:
    if config.reference == "l2":
        unit = scale / z.shape[-1] ** 0.5
        return ((z - z_start.detach()) / unit).square().mean()
    loss, _ = drift_loss(
        _one_set(z),
        _one_set(z_start.detach()),
        _one_set(z.detach()),
        positive_weight=config.reference_positive_weight,
        negative_weight=config.reference_negative_weight,
        radii=config.radii,
        kernel=config.kernel,
        field=config.field,
        mask_negative_self=True,
    )
    return loss.mean()


def _one_set(z: Tensor) -> Tensor:
    """(K,D) or (K,tokens,D) as one set of points, (1,N,D)."""
    return z.reshape(1, -1, z.shape[-1])


def _per_point(weights: Sequence[float], z: Tensor) -> Tensor:
    """One weight per point of `_one_set`: every token has its candidate's."""
    each = torch.tensor(weights, dtype=torch.float32, device=z.device)
    return each.repeat_interleave(z[0].numel() // z.shape[-1])[None]
