"""The loop that scores: items are read, hashed, decoded, ranked in chunks, and their rows kept as they come.

    sources → ledger → works → chunks → rows → journal → ledger → output

Every arrow is one generator or one call; nothing flows back. From works to rows is `rankkit.scoring.ahead`,
then `rankkit.scoring.chunks`, here, in processes or on Ray's workers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Literal

from rankkit.core.images import fingerprint
from rankkit.errors import RankkitError, UsageError
from rankkit.io.formats import all_rows, replacing
from rankkit.io.prompts import Survey
from rankkit.io.rows import Row, label
from rankkit.registry.load import Prepared
from rankkit.scoring.checks import check_output, is_gone, need_images, need_prompts
from rankkit.scoring.chunks import local
from rankkit.scoring.journal import Journal
from rankkit.scoring.ledger import Ledger, scope
from rankkit.scoring.pending import unranked, unscored
from rankkit.scoring.plan import WORTH_WORKERS, Key, Say, plan_surveys
from rankkit.scoring.work import Work
from rankkit.testing.deaf import DeafWatch

Run = Callable[[Iterator[Work], Sequence[Prepared], bool], Iterator[list[tuple[Key, Row]]]]
Progress = Callable[[int], None]  # called with the number of scores that are newly settled


@dataclass
class Outcome:
    """What a run did: images planned, scores made now and found settled already, and why images abstained.

    `stale` rows of earlier runs are kept but no longer count; `pruned` ones were dropped.
    """

    images: int = 0
    groups: int = 0
    scored: int = 0
    reused: int = 0
    abstained: int = 0
    stale: int = 0
    pruned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def score(
    surveys: Iterable[Survey],
    rankers: Sequence[Prepared],
    output: Path,
    *,
    prompt: str | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    prune: bool = False,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = 1,
    part: bool = False,
    say: Say = lambda text: None,
    progress: Callable[[int], contextlib.AbstractContextManager[Progress]] | None = None,
) -> Outcome:
    """Score what the surveys found with every ranker, and write the rows to `output`.

    The suffix says the format: .jsonl, .csv or .parquet.

    Scores found in `output`, or in the journal beside it, are used again where image, prompt, ranker, version
    and options are the same, and the metadata where the ranker reads it. With `overwrite` they are dropped,
    but for those of this very run where it was interrupted. Rows of images that are gone, or whose prompt
    has changed since, are kept but no longer count; with `prune` they are dropped. Rankers that are plain
    functions run in `workers` processes where there are many images; on Ray `workers` says how many there are
    (None: one per GPU, else one per CPU). `output` is replaced whole at the end. With `part` this is a part
    of a larger run: it may hold no images, or none that has a prompt. Raises `UsageError` for an `output`
    that is no file of rows, or that this run reads; `RankkitError` when the run cannot go on: what was scored
    until then is in the journal.
    """
    surveys = list(surveys)
    check_output(output, surveys)
    if prune and limit is not None:
        raise UsageError(
            "--prune cannot tell which images are gone where --limit leaves some out; give one of them"
        )
    # each ranker once, however often and however it is written
    rankers = list({scope(ranker.identity, ""): ranker for ranker in rankers}.values())
    with Ledger() as ledger, Journal(output) as journal:
        parallel = engine == "local" and (workers or 1) > 1 and all(ranker.plain for ranker in rankers)
        plan_surveys(ledger, surveys, prompt, limit, say, _warm if parallel else lambda: None)
        if not part:
            need_images(ledger)
            need_prompts(ledger, rankers, say)
        if overwrite:
            journal.overwrite(_named(surveys, rankers))
        earlier = _load_previous(ledger, journal, None if overwrite else output, say)
        outcome, watch = Outcome(ledger.planned(), ledger.groups()), DeafWatch(say)
        with (
            progress(outcome.images * len(rankers))
            if progress
            else contextlib.nullcontext(lambda count: None) as advance
        ):
            for independent in (True, False):
                lane = tuple(i for i, ranker in enumerate(rankers) if ranker.independent is independent)
                if lane:
                    run = _engine(engine, [rankers[i] for i in lane], outcome.images, workers)
                    pending = (unscored if independent else unranked)(ledger, rankers, lane, earlier)
                    works = _counted(pending, outcome, len(lane), advance)
                    for found in run(works, rankers, not independent):
                        _listen(watch, found)
                        journal.append(ledger.put(found))
                        outcome.scored += len(found)
                        advance(len(found))
        gone = partial(is_gone, roots=[found.root for found in surveys], beside=output)
        ledger.mark_stale([ranker.identity for ranker in rankers], gone)
        try:
            _write(ledger, rankers, output, outcome, prune)
        except OSError as error:
            reason = f"{error.strerror or error}; every score is kept in {journal.path}"
            raise RankkitError(f"{output}: {reason}: make room and give the same command again") from None
    return outcome


# --- before ---


def _warm() -> None:
    from rankkit.scoring.workers import warm

    warm()


def _named(surveys: Iterable[Survey], rankers: Sequence[Prepared]) -> str:
    """What a run is about, in a word: which rankers, on what."""
    identities = [[scope(ranker.identity, ""), ranker.identity.version] for ranker in rankers]
    places = [str(found.root.path.absolute()) for found in surveys]
    return fingerprint(json.dumps([identities, places]).encode())


def _load_previous(ledger: Ledger, journal: Journal, output: Path | None, say: Say) -> bool:
    """Take in what earlier runs scored. Returns whether there was anything."""
    count = ledger.load_previous(all_rows(output)) if output and output.exists() else 0
    interrupted = ledger.load_previous(journal.rows())
    if interrupted:
        say(f"{journal.path}: going on with {interrupted} scores of a run that was interrupted")
    return count + interrupted > 0


def _listen(watch: DeafWatch, found: Sequence[tuple[Key, Row]]) -> None:
    """Show the watch a chunk's rows, ranker by ranker and group by group."""
    for (ranker, kind, _), rows in itertools.groupby(
        (row for _, row in found), key=lambda row: (label(row), row["kind"], row["group"])
    ):
        together = list(rows)
        digests = partial(map, itemgetter("sha256"), together)
        watch.scores(ranker, kind, [row["score"] for row in together], digests)


def _counted(works: Iterator[Work], outcome: Outcome, lane: int, advance: Progress) -> Iterator[Work]:
    for work in works:
        settled = lane - len(work.wanted)
        outcome.reused += settled
        if settled:
            advance(settled)
        if work.wanted:
            yield work


def _engine(name: str, lane: Sequence[Prepared], images: int, workers: int | None) -> Run:
    """What scores the images of a lane: Ray's workers, processes here for rankers that are plain functions,
    or this process.
    """
    if name == "ray":
        from rankkit.scoring.ray.chunks import run as run_on_ray

        return lambda works, rankers, whole: run_on_ray(works, rankers, whole=whole, workers=workers)
    if workers and workers > 1 and images >= WORTH_WORKERS and all(ranker.plain for ranker in lane):
        from rankkit.scoring.workers import run as run_in_processes

        return lambda works, rankers, whole: run_in_processes(works, rankers, workers=workers)
    return lambda works, rankers, whole: local(works, rankers, whole=whole)


# --- after ---


def _write(ledger: Ledger, rankers: Sequence[Prepared], output: Path, outcome: Outcome, prune: bool) -> None:
    """Replace the output: this run's verdicts with ranks filled in, then whatever else it held."""
    named = [(ranker.identity, ranker.independent) for ranker in rankers]
    with replacing(output) as write:
        for found, planned in ledger.ranked_rows(named):
            write(found)
            if planned and found["error"]:
                outcome.abstained += 1
                outcome.reasons[f"{found['ranker']}: {found['error']}"] += 1
        for found in ledger.untouched_rows(ranker.identity for ranker in rankers):
            write(found)
        for found in ledger.stale_rows(named):
            if prune:
                outcome.pruned += 1
            else:
                outcome.stale += 1
                write(found)
