"""The version of rankkit that is running, and of how scores are combined."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

AGGREGATION = 1
"""Raised whenever comparisons or ranks are combined into other scores: both ends of a wire must agree on it.
"""


@lru_cache
def installed_version() -> str:
    """The version of the installed distribution, `unknown` where rankkit runs without being installed."""
    try:
        return version("rankkit-t2i")
    except PackageNotFoundError:
        return "unknown"
