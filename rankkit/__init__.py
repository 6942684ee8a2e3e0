"""rankkit orders images by any preference anyone can express, behind one method: ``Ranker.rank(groups)``."""

from typing import Any

from rankkit.core.panel import lexicographic, mean_rank
from rankkit.core.rankers import Pairwise, Pointwise, build, pairwise, pointwise
from rankkit.core.types import Group, Ranker, Ranking, Scored
from rankkit.errors import BadOption, BrokenRanker, RankkitError, RunStopped, UsageError
from rankkit.registry.catalog import installed
from rankkit.registry.load import load, load_here

__all__ = [
    "BadOption",
    "BrokenRanker",
    "Group",
    "Pairwise",
    "Pointwise",
    "Ranker",
    "Ranking",
    "RankkitError",
    "RunStopped",
    "Scored",
    "UsageError",
    "__version__",
    "build",
    "installed",
    "lexicographic",
    "load",
    "load_here",
    "mean_rank",
    "pairwise",
    "pointwise",
]


def __getattr__(name: str) -> Any:
    """``__version__`` is read from the installed distribution when it is asked for."""
    if name == "__version__":
        from rankkit.core.version import installed_version

        return installed_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
