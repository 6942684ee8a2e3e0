"""What the answers say as rows, like those of a pairwise judge: one ranker ``label:who=NAME`` per person."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence

import numpy as np

from rankkit.choose.label.answers import Answer, consistency, read_answers, standing
from rankkit.choose.label.candidates import Candidates
from rankkit.choose.label.questions import add_win
from rankkit.core import aggregate
from rankkit.core.images import fingerprint
from rankkit.core.types import Identity, Ranking
from rankkit.errors import UsageError
from rankkit.io.formats import all_rows, check_no_input, check_row_output, replacing
from rankkit.io.rows import Row, row

PRIOR = 0.1  # of the utilities, as for judges
APART = (
    "no answers lead from this image to most others of its prompt, so its score cannot be put beside theirs; "
    "answer more questions"
)
RANKER, VERSION = "label", f"Bradley-Terry, prior {PRIOR}"


def write_rows(
    candidates: Sequence[Candidates], answers: str | os.PathLike[str], output: str | os.PathLike[str]
) -> int:
    """Write rows of every person's answers to the file `output`, and return how many.

    Rows of other rankers and of other groups in it stay. Raises `UsageError` where no answer is about these
    candidates, else as `read_answers`.
    """
    check_no_input(output, [answers], "holds the answers, and would be replaced", "--rows")
    given = read_answers(answers)
    check_row_output(output)
    made = list(rows(candidates, given))
    if not made:
        raise UsageError(f"{answers}: none of its {len(given)} answers is about these images")
    ours = {(each["ranker"], each["options"]["who"], each["group"]) for each in made}
    kept = list(all_rows(output)) if os.path.exists(output) and os.path.getsize(output) else []
    with replacing(output) as write:
        for each in kept:
            if (each["ranker"], each["options"].get("who"), each["group"]) not in ours:
                write(each)
        for each in made:
            write(each)
    return len(made)


def rows(candidates: Sequence[Candidates], answers: Sequence[Answer]) -> Iterator[Row]:
    """Rows of each person's Bradley–Terry utilities, in logits, with standard errors.

    An image that a person has not compared, or only with images that the person's other answers do not join
    to the most of the prompt, abstains; a prompt without any answer of a person has no rows.
    """
    for who in dict.fromkeys(answer.who for answer in answers):
        own = [answer for answer in answers if answer.who == who]
        for each in candidates:
            about = [
                answer
                for answer in own
                if answer.prompt == each.prompt and {answer.image_a, answer.image_b} <= set(each.names)
            ]
            if any(answer.choice != "skip" for answer in standing(about)):
                yield from _rows_of(each, about, Identity(RANKER, VERSION, {"who": who}))


def _rows_of(about: Candidates, answers: Sequence[Answer], identity: Identity) -> Iterator[Row]:
    place = {name: i for i, name in enumerate(about.names)}
    wins = np.zeros((len(place),) * 2)
    for answer in standing(answers):
        add_win(wins, place[answer.image_a], place[answer.image_b], answer)
    theta, stderr = aggregate.bradley_terry(wins, prior=PRIOR)
    largest, *others = aggregate.parts(len(wins), zip(*np.nonzero(wins), strict=True))
    joined = set(largest) if not others or len(others[0]) < len(largest) else set()
    met, rates = wins.sum(0) + wins.sum(1), aggregate.borda(wins)
    scores = tuple(float(theta[i]) if i in joined else math.nan for i in range(len(wins)))
    judge = _diagnostics(wins, answers, len(others) == 0)
    for i, rank in enumerate(Ranking(scores, "pairwise").ranks):
        details = {"win_rate": float(rates[i]), "comparisons": round(float(met[i])), "judge": judge}
        if i not in joined:
            details["error"] = APART if met[i] else "this person has not compared it yet"
        data = about.items[i].read()
        yield row(
            identity,
            group=about.group,
            prompt=about.prompt,
            image=about.items[i].name,
            sha256=fingerprint(data) if isinstance(data, bytes) else "",
            kind="pairwise",
            score=scores[i],
            stderr=float(stderr[i]),
            rank=rank,
            of=len(joined),
            details=details,
        )


def _diagnostics(wins: aggregate.Floats, answers: Sequence[Answer], connected: bool) -> dict[str, object]:
    """What is known of the person as of any judge: ties, circles, and answers to what was asked again."""
    games = wins + wins.T
    said = {
        (i, j): float(wins[i, j] / games[i, j])
        for i, j in itertools.combinations(range(len(wins)), 2)
        if games[i, j]
    }
    alike, repeated = consistency(answers)
    return {
        "calls": round(float(wins.sum())),
        "failed_calls": 0,
        "pairs": len(said),
        "ties": sum(share == 0.5 for share in said.values()),
        "connected": connected,
        **aggregate.triads(len(wins), said),
        **({"repeats": repeated, "repeat_consistency": alike / repeated} if repeated else {}),
    }
