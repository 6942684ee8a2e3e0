"""Does a ranker do what every ranker must? One line in a plugin's tests answers.

``check_ranker(MyRanker())``.

With it come `sample_groups` to try a ranker on, and the fakes `Fixed`, `Flaky` and `Biased` to test what uses
one.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from rankkit.core.images import content_hash
from rankkit.core.types import Group, Ranker
from rankkit.errors import RankkitError, UsageError
from rankkit.testing.context import CheckContext, Reload, Unexpected
from rankkit.testing.contract import ALL, FOUNDATIONS, Check, due
from rankkit.testing.fakes import Biased, Fixed, Flaky
from rankkit.testing.samples import sample_groups

__all__ = [
    "Biased",
    "BrokenPromise",
    "CheckFailed",
    "CheckResult",
    "Fixed",
    "Flaky",
    "check_ranker",
    "content_hash",
    "run_checks",
    "sample_groups",
]


class CheckFailed(RankkitError, AssertionError):
    """A ranker does not do what every ranker must.

    The text names the check, shows the values and offers the next step.
    """


BrokenPromise = CheckFailed  # its name before 0.1


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check went: `failure` says what was seen instead, `skipped` why it was not run.

    A `warning` does not fail the ranker.
    """

    id: str
    sentence: str
    failure: CheckFailed | None = None
    skipped: str = ""
    warning: bool = False

    @property
    def failed(self) -> bool:
        """Whether the ranker fails by it."""
        return self.failure is not None and not self.warning

    @property
    def word(self) -> str:
        """``ok``, ``FAILED``, ``warning`` or ``skipped``."""
        if self.skipped:
            return "skipped"
        if self.failure is None:
            return "ok"
        return "warning" if self.warning else "FAILED"


def check_ranker(
    ranker: Ranker,
    *,
    groups: Sequence[Group] | None = None,
    reload: Reload | None = None,
    tolerance: float = 1e-5,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Raise `CheckFailed` for the first check that `ranker` fails; return quietly when it passes them all.

    `groups`: what to rank, `sample_groups()` if not given; give your own where the ranker needs particular
    metadata. `reload`: builds the ranker from keyword options; with it, an unknown option must be refused.
    `tolerance`: how far scores of one image may lie apart where batches differ, relative to the spread of its
    group. `skip`: ids of checks that are not run, each with the reason why. A check that came with the
    running minor version of rankkit warns where later versions will fail.
    """
    for result in run_checks(ranker, groups, reload, tolerance=tolerance, skip=skip):
        if result.failure is not None and result.failed:
            raise result.failure
        if result.failure is not None:
            warnings.warn(
                f"{result.failure} (this check is new, and fails from the next minor version on)",
                stacklevel=2,
            )


def run_checks(
    ranker: Ranker,
    groups: Sequence[Group] | None = None,
    reload: Reload | None = None,
    *,
    tolerance: float = 1e-5,
    skip: Mapping[str, str] | None = None,
) -> Iterator[CheckResult]:
    """Each check as it is run; the arguments are those of `check_ranker`.

    It ends early where one of the first four fails: the others compare rankings, and mean nothing without
    them. Raises `UsageError` for an id in `skip` that no check has, and for one without a reason.
    """
    skip = skip or {}
    unknown = sorted(set(skip) - {check.id for check in ALL})
    if unknown:
        raise UsageError(
            f"no check has the id {unknown[0]!r}; the ids are {', '.join(check.id for check in ALL)}"
        )
    for name, reason in skip.items():
        if not isinstance(reason, str) or not reason.strip():
            raise UsageError(
                f"{name!r} is skipped for the reason {reason!r}; say why this ranker may fail it"
            )
    context = CheckContext(ranker, sample_groups() if groups is None else list(groups), reload, tolerance)
    if not any(len(group.images) > 1 for group in context.groups):
        raise RankkitError(
            "a ranker is checked on groups with something to order; give at least one group of two images, "
            "or none"
        )
    for check in due(context):
        if check.id in skip:
            yield CheckResult(check.id, check.sentence, skipped=skip[check.id])
            continue
        failure = _failure(check, context)
        yield CheckResult(check.id, check.sentence, failure, warning=is_new(check))
        if failure is not None and check in FOUNDATIONS:
            return


def is_new(check: Check) -> bool:
    """Whether a check came with the minor version of rankkit that is running, and only warns so far."""
    try:
        running = version("rankkit-t2i")
    except PackageNotFoundError:
        return False
    return check.since.split(".")[:2] == running.split(".")[:2]


def _failure(check: Check, context: CheckContext) -> CheckFailed | None:
    try:
        check.run(context)
    except (Exception, SystemExit) as error:
        seen = (
            str(error)
            if isinstance(error, (Unexpected, RankkitError))
            else f"{type(error).__name__}: {error}"
        )
        failure = CheckFailed(
            f"{type(context.ranker).__name__} fails the check {check.id!r} "
            f"({check.sentence}): {seen}; {check.advice}"
        )
        failure.__cause__ = error
        return failure
    return None
