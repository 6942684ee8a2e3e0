"""`verdicts`: GenEval's scorer beside the official code and beside human answers."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from pathlib import Path
from typing import Any

GENEVAL = Path(__file__).parents[2] / "plugins" / "geneval" / "tests"


def verdicts() -> dict[str, Any]:
    """GenEval's scorer beside the official code's verdicts on synthetic scenes, and beside what follows from
    human answers.
    """
    from rankkit_geneval import Detection, judge

    sys.path.insert(0, str(GENEVAL))
    table, humans = (importlib.import_module(name) for name in ("test_geneval_judge", "test_geneval_humans"))
    worked = [
        (judge(metadata, found).correct, correct) for metadata, found, correct, _, _ in table.TABLE.values()
    ]
    scenes = []
    for row in map(json.loads, gzip.open(table.CASES, "rt")):
        found = {
            name: [Detection(tuple(d["box"]), d["score"], d["color"]) for d in each]
            for name, each in row["detections"].items()
        }
        scenes.append((judge(row["metadata"], found).correct, row["correct"]))
    answers = [
        (judge(asked, humans.detections(row, asked)).correct, humans.follows(row, asked))
        for row, asked in humans.answers()
    ]
    rows = []
    for name, pairs in (("worked cases", worked), ("synthetic scenes", scenes), ("human answers", answers)):
        agreed = sum(ours == theirs for ours, theirs in pairs)
        rows.append(
            {
                "verdicts": name,
                "n": len(pairs),
                "correct": sum(theirs for _, theirs in pairs),
                "agreement": agreed / len(pairs),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows}
