"""Scoring on a Ray cluster, as a Ray Data pipeline.

Each worker builds its own rankers and scores chunks as `scoring.local` does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rankkit.errors import RunStopped, UsageError
from rankkit.io.prompts.base import Item
from rankkit.io.rows import Row
from rankkit.registry.load import Prepared, prepare
from rankkit.scoring.ahead import RunRanker
from rankkit.scoring.chunks import in_chunks, rank_works
from rankkit.scoring.plan import Key
from rankkit.scoring.work import Work


class Scorer:
    """A worker: rankers by spec, built once.

    Batches of works in, batches of rows out, both as lines of JSON.
    """

    def __init__(self, specs: Sequence[str], whole: bool) -> None:
        self.rankers, self.whole = [RunRanker(prepare(spec)) for spec in specs], whole

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        """Score each chunk of works.

        `stopped` says why a ranker could not go on, beside the rows there were until then.
        """
        chunks = [[_work(fields) for fields in json.loads(str(text))] for text in batch["works"]]
        found = [self._score(chunk) for chunk in chunks]
        return {"rows": [json.dumps(rows) for rows, _ in found], "stopped": [stopped for _, stopped in found]}

    def _score(self, chunk: list[Work]) -> tuple[list[tuple[Key, Row]], str]:
        rows: list[tuple[Key, Row]] = []
        try:
            for part in rank_works(iter(chunk), self.rankers, whole=self.whole):
                rows += part
        except RunStopped as stopped:
            return rows, str(stopped)
        return rows, ""


def run(
    works: Iterator[Work], rankers: Sequence[Prepared], *, whole: bool
) -> Iterator[list[tuple[Key, Row]]]:
    """Score works on all the workers that Ray has: one per GPU where there are GPUs, else one per CPU."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise UsageError("--engine ray needs Ray: pip install 'rankkit-t2i[ray]'") from None
    lines = [{"works": json.dumps([asdict(work) for work in chunk])} for chunk in in_chunks(works, whole)]
    if not lines:
        return
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    workers = max(1, min(len(lines), gpus or int(resources.get("CPU", 1)) - 1))
    scored = ray.data.from_items(lines).map_batches(
        Scorer,
        fn_constructor_args=([ranker.spec for ranker in rankers], whole),
        batch_size=1,
        concurrency=workers,
        num_gpus=1 if gpus else 0,
    )
    for line in scored.iter_rows():
        yield [((grp, number), row) for (grp, number), row in json.loads(line["rows"])]
        if line["stopped"]:
            raise RunStopped(line["stopped"])


def _work(fields: dict[str, Any]) -> Work:
    item = dict(fields["item"])
    span = item.pop("span")
    grp, number = fields["key"]
    return Work(
        (grp, number),
        Item(**item, span=None if span is None else (span[0], span[1])),
        tuple(fields["wanted"]),
    )
