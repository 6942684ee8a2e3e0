"""How far a pairwise judge can be trusted.

What its groups say of it (`details["judge"]`), added up over a run, and put into words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

SUMS = ("calls", "failed_calls", "pairs", "ties", "triads", "circular_triads", "repeats", "tokens")
MEANS = {"swap_consistency": "pairs", "position_bias": "pairs", "repeat_consistency": "repeats"}
"""Shares and means, and what each is over: pairs judged in both orders, calls made twice."""


def total(groups: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The diagnostics of a run, with the keys of a group's.

    Counts are summed, shares are means over all pairs judged in both orders, or over all calls made twice.

    `zeta` is the mean over the groups that have one; `groups`, `apart` and `degraded` count groups: all,
    those whose comparisons do not connect all images, and those of which more than a fifth of the calls
    failed. What is no number is taken for none.
    """
    told = list(groups)
    found: dict[str, Any] = {key: sum(_number(each.get(key)) for each in told) for key in SUMS}
    for key, over in MEANS.items():
        known = [
            (_number(each[key]), _number(each.get(over, 1))) for each in told if each.get(key) is not None
        ]
        weight = sum(count for _, count in known)
        found[key] = sum(value * count for value, count in known) / weight if weight else None
    zetas = [_number(each["zeta"]) for each in told if each.get("zeta") is not None]
    failures: Counter[str] = Counter()
    for each in told:
        kinds = each.get("failures")
        failures.update(
            {str(kind): int(_number(n)) for kind, n in kinds.items()} if isinstance(kinds, Mapping) else {}
        )
    return {
        **found,
        "zeta": sum(zetas) / len(zetas) if zetas else None,
        "failures": dict(failures),
        "groups": len(told),
        "apart": sum(each.get("connected") is False for each in told),
        "degraded": sum(each.get("degraded") is True for each in told),
    }


def words(run: Mapping[str, Any]) -> dict[str, str]:
    """A run's (or with `total` of one, a group's) diagnostics for people.

    What is told, and what is to tell of it.
    """
    pairs, calls, failed = (f"{run[key]:,.0f}" for key in ("pairs", "calls", "failed_calls"))
    kinds = ", ".join(
        f"{kind} {n:,}" for kind, n in sorted(run["failures"].items(), key=lambda item: -item[1])[:6]
    )
    told = {"calls": f"{calls}, {failed} failed" + (f" ({kinds})" if kinds else "")}
    if run["swap_consistency"] is not None:
        of = f" of {pairs} {'pair' if run['pairs'] == 1 else 'pairs'}" if run["pairs"] else ""
        told["same answer in both orders"] = f"{100 * run['swap_consistency']:.0f} %{of}"
    if run["repeat_consistency"] is not None:
        told["same answer when asked again"] = (
            f"{100 * run['repeat_consistency']:.0f} % of {run['repeats']:,.0f} calls"
        )
    if run["position_bias"] is not None:
        told["position bias towards the first shown"] = (
            f"{run['position_bias']:+.2f} logits, cancelled".replace("-", "−")
        )
    if run["pairs"]:
        told["near ties"] = f"{run['ties']:,.0f} of {pairs}"
    if run["triads"]:
        zeta = "" if run["zeta"] is None else f", zeta {run['zeta']:.2f}"
        told["circular triads"] = f"{run['circular_triads']:,.0f} of {run['triads']:,.0f}{zeta}"
    if run["tokens"]:
        told["tokens"] = f"{run['tokens']:,.0f}"
    if run["apart"]:
        told["not all connected"] = (
            f"{run['apart']} of {run['groups']}"
            if run["groups"] > 1
            else "some images were never met by the rest"
        )
    if run["degraded"]:
        told["over a fifth of calls failed"] = (
            f"in {run['degraded']} of {run['groups']}" if run["groups"] > 1 else "degraded"
        )
    return told


def _number(value: Any) -> float:
    return (
        value if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15 else 0
    )
