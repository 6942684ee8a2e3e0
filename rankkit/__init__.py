"""rankkit orders images by any preference anyone can express, behind one method: ``Ranker.rank(groups)``."""

from rankkit.core.panel import lexicographic, mean_rank
from rankkit.core.rankers import Pairwise, Pointwise, build, pairwise, pointwise
from rankkit.core.types import Group, Ranker, Ranking, Scored
from rankkit.errors import RankkitError, RunStopped
from rankkit.registry.catalog import installed
from rankkit.registry.load import load, load_here

__all__ = [
    "Group",
    "Pairwise",
    "Pointwise",
    "Ranker",
    "Ranking",
    "RankkitError",
    "RunStopped",
    "Scored",
    "build",
    "installed",
    "lexicographic",
    "load",
    "load_here",
    "mean_rank",
    "pairwise",
    "pointwise",
]
