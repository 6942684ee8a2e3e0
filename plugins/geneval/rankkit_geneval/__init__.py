"""GenEval's verdicts for rankkit.

What is named here needs numpy only; the ranker and its detector are imported when they are loaded.
"""

from rankkit_geneval.verdicts.clauses import BadClause
from rankkit_geneval.verdicts.judge import Detection, Verdict, judge

__all__ = ["BadClause", "Detection", "Verdict", "judge"]
