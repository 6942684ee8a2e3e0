"""GenEval's verdict (arXiv 2310.11513) as a pure function of what was detected.

numpy only: no image and no model.

One pass over the clauses makes a `Finding` each; the four scores are four readings of the same findings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rankkit_geneval.verdicts.clauses import BadClause, Clause, Demands, parse
from rankkit_geneval.verdicts.geometry import iou, relations

THRESHOLD = 0.3  # a detection counts when its score is above, not at, this
COUNTING_THRESHOLD = 0.9  # the same for the task "counting"
MAX_OBJECTS = 16  # most confident detections of one class that count

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing found: box and score in [0, 1].

    `box` is x1, y1, x2, y2 in pixels with the right and lower edge exclusive.

    `color` is the name of its colour where it is known already; else `judge` asks `name_color`, and only
    where a clause wants to know.
    """

    box: Box
    score: float
    color: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What GenEval says of one image.

    `correct`: the official verdict, the one to rank by. `strict`: as many things as asked for and not one
    more, all of them right. `graded`: in [0, 1], the mean over checks of how far each is met; 1 exactly where
    `correct`. `flow_grpo`: the score of the reward server that Flow-GRPO trains on, for comparison only; it
    can be negative, pays for wrong positions and punishes extra things. `reason`: what is missing, in words;
    empty where `correct`.
    """

    correct: bool
    strict: bool
    graded: float
    flow_grpo: float
    reason: str


NameColor = Callable[[str, Detection], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one clause: how many things, their colours and relations.

    Colours are those of the `clause.count` most confident; relations are to the things of the target.

    `top` is empty where there are too few things; then there are no colours, and no pair holds. `pairs_held`
    is a share in [0, 1].
    """

    clause: Clause
    found: int
    top: tuple[Detection, ...]
    colors: tuple[str, ...] = ()
    target: Finding | None = None
    pairs_held: float = 0.0

    @property
    def in_color(self) -> int:
        """How many of the most confident things have the colour that was asked for."""
        return self.colors.count(self.clause.color or "")

    @property
    def right_color(self) -> bool:
        """Whether all of them have it, or none was asked for."""
        return self.clause.color is None or self.in_color == self.clause.count

    @property
    def met(self) -> bool:
        """The official reading: enough things, the most confident ones right; more of them do no harm."""
        placed = self.target is None or (self.target.met and self.pairs_held == 1)
        return bool(self.top) and self.right_color and placed

    @property
    def exact(self) -> bool:
        """The strict reading: exactly as many things as asked for, in this clause and in its target's."""
        placed = self.target is None or (self.target.exact and self.pairs_held == 1)
        return self.found == self.clause.count and self.right_color and placed


def judge(
    metadata: Mapping[str, Any],
    detections: Mapping[str, Sequence[Detection]],
    *,
    name_color: NameColor | None = None,
    nms_threshold: float = 1.0,
) -> Verdict:
    """The verdict on an image, for a prompt with this `metadata`.

    `detections`: class to list, in any order.

    `name_color(name, detection)` names the colour of a detection that has none. `nms_threshold`: of two boxes
    of one class that overlap by at least this, the less confident one goes; 1, the official value, keeps all.
    Raises `BadClause` for metadata that is not GenEval's, and where a colour is asked for that nobody can
    name.
    """
    demands = parse(metadata)
    threshold = COUNTING_THRESHOLD if demands.tag == "counting" else THRESHOLD
    objects = {name: keep(detections.get(name, ()), threshold, nms_threshold) for name in demands.names}
    findings: list[Finding] = []
    for clause in demands.include:
        target = findings[clause.target] if clause.relation else None
        findings.append(_find(clause, objects[clause.name], target, name_color))
    spared = [len(objects[clause.name]) < clause.count for clause in demands.exclude]
    return Verdict(
        correct=all(finding.met for finding in findings) and all(spared),
        strict=all(finding.exact for finding in findings),
        graded=_graded(demands, findings, spared),
        flow_grpo=_flow_grpo(findings),
        reason="; ".join(_complaints(demands, findings, objects)),
    )


def keep(detections: Sequence[Detection], threshold: float, nms_threshold: float = 1.0) -> list[Detection]:
    """The detections of one class that count, most confident first.

    Above the threshold, 16 at most, then without overlaps.

    Scores are compared in single precision, in which the detector gives them: 0.3 is not above 0.3 in either.
    """
    confident = [detection for detection in detections if np.float32(detection.score) > np.float32(threshold)]
    waiting = sorted(confident, key=lambda detection: -detection.score)[:MAX_OBJECTS]
    if nms_threshold == 1:
        return waiting
    kept: list[Detection] = []
    for detection in waiting:
        if all(iou(other.box, detection.box) < nms_threshold for other in kept):
            kept.append(detection)
    return kept


def _find(
    clause: Clause, objects: Sequence[Detection], target: Finding | None, name_color: NameColor | None
) -> Finding:
    top = tuple(objects[: clause.count]) if len(objects) >= clause.count else ()
    colors = tuple(_color(clause.name, each, name_color) for each in top) if clause.color else ()
    pairs = [
        clause.relation in relations(each.box, other.box)
        for each in top
        for other in (target.top if target else ())
    ]
    return Finding(clause, len(objects), top, colors, target, sum(pairs) / len(pairs) if pairs else 0.0)


def _color(name: str, detection: Detection, name_color: NameColor | None) -> str:
    if detection.color is not None:
        return detection.color
    if name_color is None:
        raise BadClause(
            f"the color of a {name} is asked for, but its detection has none; give it one, or give name_color"
        )
    return name_color(name, detection)


def _graded(demands: Demands, findings: Sequence[Finding], spared: Sequence[bool]) -> float:
    """The mean of atomic checks, each in [0, 1].

    Presence, colour, position; and things that must not be there.
    """
    consumed: set[int] = set()
    atoms: list[float] = []
    for finding in findings:
        clause, count = finding.clause, finding.clause.count
        ceiling = [
            i
            for i, other in enumerate(demands.exclude)
            if (other.name, other.count) == (clause.name, count + 1)
        ]
        consumed.update(ceiling)
        atoms.append(
            max(0.0, 1 - abs(finding.found - count) / count) if ceiling else min(1.0, finding.found / count)
        )
        if clause.color:
            atoms.append(finding.in_color / count)
        if finding.target:
            atoms.append(finding.pairs_held if finding.target.met else 0.0)
    atoms += [float(good) for i, good in enumerate(spared) if i not in consumed]
    return sum(atoms) / len(atoms) if atoms else 1.0


def _flow_grpo(findings: Sequence[Finding]) -> float:
    """The mean of terms of Flow-GRPO's reward server, as it is; 0 without clauses.

    It is not clamped, and 1 is appended after a wrong position too.
    """
    terms: list[float] = []
    for finding in findings:
        clause, count = finding.clause, finding.clause.count
        terms.append(1 - abs(finding.found - count) / count)
        if finding.found != count:
            terms += [0.0] if clause.color or finding.target else []
            continue
        if clause.color:
            terms.append(1 - abs(finding.in_color - count) / count)
        if finding.target and finding.right_color:
            terms += [0.0] if not finding.target.exact else [1.0] if finding.pairs_held == 1 else [0.0, 1.0]
    return sum(terms) / len(terms) if terms else 0.0


def _complaints(
    demands: Demands, findings: Sequence[Finding], objects: Mapping[str, Sequence[Detection]]
) -> list[str]:
    wrong = [_complaint(finding) for finding in findings if not finding.met]
    too_many = [clause for clause in demands.exclude if len(objects[clause.name]) >= clause.count]
    return wrong + [f"wanted fewer than {c.count} {c.name}, found {len(objects[c.name])}" for c in too_many]


def _complaint(finding: Finding) -> str:
    clause = finding.clause
    wanted = f"wanted {clause.count} {clause.name}"
    if not finding.top:
        return f"{wanted}, found {finding.found}"
    if not finding.right_color:
        return f"{wanted} in {clause.color}, found {', '.join(finding.colors)}"
    assert finding.target is not None, (
        "a clause with enough things in the right colour can only fail by position"
    )
    if not finding.target.met:
        return f"{wanted} {clause.relation} a {finding.target.clause.name}, which is missing or wrong itself"
    lies = sorted(
        frozenset().union(*(relations(a.box, b.box) for a in finding.top for b in finding.target.top))
    )
    return (
        f"{wanted} {clause.relation} the {finding.target.clause.name}, "
        f"found it {' and '.join(lies) or 'neither beside nor above it'}"
    )
