"""The loop that scores: items are read, hashed, decoded, ranked in chunks, and their rows kept as they come.

    sources → ledger → works → chunks → rows → journal → ledger → output

Every arrow is one generator or one call; nothing flows back. From works to rows is `rankkit.scoring.ahead`,
then `rankkit.scoring.chunks`, lane by lane (`rankkit.scoring.lanes`), here, in processes or on Ray's workers.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from rankkit.core.images import fingerprint
from rankkit.errors import RankkitError, UsageError
from rankkit.io.formats import all_rows, replacing
from rankkit.io.prompts import Survey
from rankkit.registry.load import Prepared
from rankkit.scoring.checks import check_output, is_gone, need_images, need_prompts
from rankkit.scoring.journal import Journal
from rankkit.scoring.lanes import HERE, Engine, Lanes, Outcome, Progress
from rankkit.scoring.ledger import Ledger, scope
from rankkit.scoring.plan import Say, plan_surveys


def score(
    surveys: Iterable[Survey],
    rankers: Sequence[Prepared],
    output: Path,
    *,
    prompt: str | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    prune: bool = False,
    engine: Engine = HERE,
    part: bool = False,
    say: Say = lambda text: None,
    progress: Callable[[int], contextlib.AbstractContextManager[Progress]] | None = None,
) -> Outcome:
    """Score what the surveys found with every ranker, and write the rows to `output`.

    The suffix says the format: .jsonl, .csv or .parquet.

    Scores found in `output`, or in the journal beside it, are used again where image, prompt, ranker, version
    and options are the same, and the metadata where the ranker reads it. With `overwrite` they are dropped,
    but for those of this very run where it was interrupted. Rows of images that are gone, or whose prompt
    has changed since, are kept but no longer count; with `prune` they are dropped. Rankers run where `engine`
    says. `output` is replaced whole at the end. With `part` this is a part
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
        plan_surveys(ledger, surveys, prompt, limit, say, partial(engine.expect_many, rankers))
        if not part:
            need_images(ledger)
            need_prompts(ledger, rankers, say)
        if overwrite:
            journal.overwrite(_named(surveys, rankers))
        earlier = _load_previous(ledger, journal, None if overwrite else output, say)
        outcome = Outcome(ledger.planned(), ledger.groups())
        with (
            progress(outcome.images * len(rankers))
            if progress
            else contextlib.nullcontext(lambda count: None) as advance
        ):
            Lanes(ledger, journal, rankers, outcome, engine, earlier, say, advance).score()
        gone = partial(is_gone, roots=[found.root for found in surveys], beside=output)
        ledger.mark_stale([ranker.identity for ranker in rankers], gone)
        try:
            _write(ledger, rankers, output, outcome, prune)
        except OSError as error:
            reason = f"{error.strerror or error}; every score is kept in {journal.path}"
            raise RankkitError(f"{output}: {reason}: make room and give the same command again") from None
    return outcome


# --- before ---


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


# --- after ---


def _write(ledger: Ledger, rankers: Sequence[Prepared], output: Path, outcome: Outcome, prune: bool) -> None:
    """Replace the output: this run's verdicts with ranks filled in, then whatever else it held."""
    named = [(ranker.identity, ranker.independent) for ranker in rankers]
    with replacing(output) as write:
        for found, planned in ledger.ranked_rows(named):
            write(found)
            if planned and found["error"]:
                outcome.abstained += 1
                reason = f"{found['ranker']}: {found['error']}"
                outcome.reasons[reason] += 1
                outcome.examples.setdefault(reason, found["image"])
        for found in ledger.untouched_rows(ranker.identity for ranker in rankers):
            write(found)
        for found in ledger.stale_rows(named):
            if prune:
                outcome.pruned += 1
            else:
                outcome.stale += 1
                write(found)
