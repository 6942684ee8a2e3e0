"""Does a ranker keep its promises? One line in a plugin's tests answers: ``check_ranker(MyRanker())``.

With it come `sample_groups` to try a ranker on, and the fakes `Fixed`, `Flaky` and `Biased` to test what uses
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rankkit.core.types import Group, Ranker
from rankkit.errors import RankkitError
from rankkit.testing.contract import FOUNDATIONS, Complaint, Promise, Reload, Trial, due
from rankkit.testing.samples import Biased, Fixed, Flaky, content_hash, sample_groups

__all__ = [
    "Biased",
    "BrokenPromise",
    "Fixed",
    "Flaky",
    "check_ranker",
    "content_hash",
    "promises",
    "sample_groups",
]


class BrokenPromise(RankkitError, AssertionError):
    """A ranker does not do what every ranker promises.

    The text names the promise, shows the values and offers the next step.
    """


def check_ranker(
    ranker: Ranker,
    *,
    groups: Sequence[Group] | None = None,
    reload: Reload | None = None,
    tolerance: float = 1e-5,
) -> None:
    """Raise `BrokenPromise` for the first promise that `ranker` breaks; return quietly when it keeps them
    all.

    `groups`: what to rank, `sample_groups()` if not given; give your own where the ranker needs particular
    metadata. `reload`: builds the ranker from keyword options; with it, an unknown option must be refused.
    `tolerance`: how far scores of one image may lie apart where batches differ, relative to the spread of its
    group.
    """
    for _, broken in promises(ranker, groups, reload, tolerance=tolerance):
        if broken is not None:
            raise broken


def promises(
    ranker: Ranker,
    groups: Sequence[Group] | None = None,
    reload: Reload | None = None,
    *,
    tolerance: float = 1e-5,
) -> Iterator[tuple[str, BrokenPromise | None]]:
    """Each promise as it is checked: its sentence, and how it was broken or None. The arguments are those of
    `check_ranker`.

    It ends early where one of the first four is broken: the others compare answers, and mean nothing without
    them.
    """
    trial = Trial(ranker, sample_groups() if groups is None else list(groups), reload, tolerance)
    if not any(len(group.images) > 1 for group in trial.groups):
        raise RankkitError(
            "a ranker is checked on groups with something to order; give at least one group of two images, or none"
        )
    for promise in due(trial):
        broken = _broken(promise, trial)
        yield promise.sentence, broken
        if broken is not None and promise in FOUNDATIONS:
            return


def _broken(promise: Promise, trial: Trial) -> BrokenPromise | None:
    try:
        promise.check(trial)
    except Exception as error:
        seen = (
            str(error)
            if isinstance(error, (Complaint, RankkitError))
            else f"it raised {type(error).__name__}: {error}"
        )
        broken = BrokenPromise(
            f"{type(trial.ranker).__name__} breaks the promise {promise.sentence!r}: {seen}; {promise.advice}"
        )
        broken.__cause__ = error.__cause__
        return broken
    return None
