"""The recipe `shapes` with the method as it was published (arXiv 2606.02521): what baselines and changes are
measured beside, whatever the recipe has learned since.
"""

from __future__ import annotations

from drpo.config import Config
from drpo.recipes import recipe
from drpo.settings import with_settings

AS_PUBLISHED = (
    "features=latent_mae", "field=official", "anchors=12", "reference_weight=0.2", "ranked=candidates",
)  # fmt: skip
PLACES = (
    "features=latent_mae:std_2+latent", "field=self_excluding", "anchors=8", "reference_weight=0.4",
)  # fmt: skip
WITH_BASE = "ranked=with_base"
SINCE = (*PLACES, WITH_BASE)  # what the recipe does now


def published() -> Config:
    """The recipe's steps, rates and prompts; the paper's feature map, field, anchors and reference."""
    return with_settings(recipe("shapes"), AS_PUBLISHED)
