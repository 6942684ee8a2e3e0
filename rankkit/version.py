"""The version of rankkit that is running, and of how scores are combined."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

AGGREGATION = 1
"""Raised whenever comparisons or ranks are combined into other scores: both ends of a wire must agree on it.
"""


def versions_of(*distributions: str) -> str:
    """Which versions of these are installed, for a ranker's version: ``hpsv2-1.2.0+torchvision-missing``."""
    return "+".join(f"{name}-{_version(name) or 'missing'}" for name in distributions)


@lru_cache
def installed_version() -> str:
    """The version of the installed distribution, `unknown` where rankkit runs without being installed."""
    return _version("rankkit-t2i") or "unknown"


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
