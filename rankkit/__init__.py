"""rankkit orders images by any preference anyone can express, behind one method: ``Ranker.rank(groups)``."""

from typing import TYPE_CHECKING, Any

from rankkit.core.build import build
from rankkit.core.listwise import veto
from rankkit.core.panel import lexicographic, mean_rank
from rankkit.core.rankers import Pairwise, Pointwise, pairwise, pointwise
from rankkit.core.types import Group, Ranker, Ranking, Scored
from rankkit.errors import BadOption, BrokenRanker, RankkitError, RunStopped, UsageError
from rankkit.registry.catalog import installed
from rankkit.registry.load import load, load_here

if TYPE_CHECKING:
    from rankkit.choose.score import best_of, score
    from rankkit.choose.scores import Scores

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
    "Scores",
    "UsageError",
    "__version__",
    "best_of",
    "build",
    "installed",
    "lexicographic",
    "load",
    "load_here",
    "mean_rank",
    "pairwise",
    "pointwise",
    "score",
    "veto",
]


def __getattr__(name: str) -> Any:
    """The version, which is read from the installed distribution, and the names that few programs need."""
    if name == "__version__":
        from rankkit.version import installed_version

        return installed_version()
    if name == "Scores":
        from rankkit.choose.scores import Scores

        return Scores
    if name in ("best_of", "score"):
        from rankkit.choose import score as functions

        return getattr(functions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
