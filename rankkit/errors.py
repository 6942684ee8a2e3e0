"""Errors meant for people: each names the thing, shows the value and offers the next step.

Anything that goes wrong inside rankkit itself is an ``assert``; what a user, a file or a plugin got wrong is
a `RankkitError`.
"""

from __future__ import annotations


class RankkitError(Exception):
    """The base of everything rankkit raises on purpose; its text is ready to be shown."""


class UsageError(RankkitError):
    """The request itself is wrong: an unknown name, option, suffix or path. The command line exits with 2."""


class UnknownRanker(UsageError):
    """No installed ranker has this name."""


class BadOption(UsageError):
    """A ranker has no such option, or the value does not fit it."""


class BrokenRanker(RankkitError):
    """A ranker is installed but cannot be imported, built, or keep the protocol."""


class DeviceFull(BrokenRanker):
    """A model, or a single image for it, does not fit into the memory that its device has left.

    Where other rankers of a run hold some of it, the run goes on with one ranker after the other.
    """


class RunStopped(RankkitError):
    """A ranker cannot go on at all: its budget is spent, its server is gone or refuses it. No image is to
    blame, so none abstains.

    It passes through everything that turns a failure into an abstention, and ends the run; what was judged
    before is kept.
    """


class BadRows(RankkitError):
    """A file is not rows of ours, or a row in it cannot be read."""


class BadSource(RankkitError):
    """A folder, manifest or archive cannot be read as images with prompts."""
