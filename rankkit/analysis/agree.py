"""How often rankers pick the image that people picked, and how alike the rankers are.

Every entry is ranked once, as one group of its own; its pairs are what humans decided. Pairs of one prompt
are one cluster.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import get_args

from rankkit.analysis.agree_report import Report
from rankkit.analysis.agreement import RankedEntry, Tally, Ties, cluster_of
from rankkit.core.calling import rank_groups
from rankkit.core.stated import needs_prompt
from rankkit.core.types import Group, Ranker
from rankkit.errors import BadSource, UsageError
from rankkit.io.preferences import Preference, PreferenceFile, open_preferences
from rankkit.registry.one_score import OneScoreWatch

Progress = Callable[[int, int], None]

BATCH = 64  # images given to a ranker in one call; a larger group goes alone, whole


def agree(
    pairs_path: str | os.PathLike[str],
    rankers: Mapping[str, Ranker],
    *,
    images: str | os.PathLike[str] | None = None,
    ties: Ties = "half",
    limit: int | None = None,
    progress: Progress | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Report:
    """Compare rankers with the human choices in a file (formats: `rankkit.io.preference_formats.FORMATS`).

    `images` is the folder its paths start from, by default the file's own. `ties` says what a ranker's equal
    scores count: ``half``, ``wrong``, or ``drop`` (left out). Only the first `limit` entries are taken.
    `progress` is called with (done, total) entries. All of them are checked before anything is ranked. Images
    are shown in an order drawn from the entry, so that a position bias gains nothing. `say` is told of a
    ranker that images do not matter to. Raises `UsageError` for a bad request and `BadSource` for a bad file;
    a bad image abstains.
    """
    _check(pairs_path, rankers, images, ties, limit)
    choices = open_preferences(pairs_path, images=images)
    survey = _survey(choices, limit)
    tally = Tally(
        {name: needs_prompt(ranker) for name, ranker in rankers.items()}, ties, humans=survey.largest > 2
    )
    watch = OneScoreWatch(say)
    done = 0
    for batch in _batches(_load(entry, choices) for entry in islice(choices.entries(), limit)):
        _rank_batch(batch, rankers, tally, watch)
        done += len(batch)
        if progress:
            progress(done, survey.entries)
    return Report(
        path=str(choices.path),
        images=str(choices.root),
        format=choices.format.name,
        entries=survey.entries,
        prompts=len(survey.prompts),
        pairs=survey.pairs,
        human_ties=survey.ties,
        undecided=survey.undecided,
        ties=ties,
        limit=limit,
        unreadable_pairs=tally.unreadable_pairs,
        unreadable_images=tally.unreadable_images,
        unreadable=tuple(tally.unreadable),
        rankers=tally.agreements(),
        kendall=tally.correlations(),
    )


@dataclass
class _Survey:
    entries: int = 0
    pairs: int = 0
    ties: int = 0
    undecided: int = 0
    largest: int = 0
    prompts: set[bytes] = field(default_factory=set)


def _check(
    path: str | os.PathLike[str],
    rankers: Mapping[str, Ranker],
    images: str | os.PathLike[str] | None,
    ties: str,
    limit: int | None,
) -> None:
    if not rankers:
        raise UsageError("agree needs at least one ranker; name it with -r")
    if ties not in get_args(Ties):
        raise UsageError(
            f"ties={ties!r}: equal scores of a ranker count as one of {', '.join(get_args(Ties))}"
        )
    if limit is not None and limit < 1:
        raise UsageError(f"limit={limit}: give a number of entries from 1, or leave it out for all")
    if images is not None and not Path(images).is_dir():
        raise UsageError(
            f"{images}: no such folder of images; give the one that the paths in {os.fspath(path)} start from"
        )


def _survey(choices: PreferenceFile, limit: int | None) -> _Survey:
    survey = _Survey()
    for entry in islice(choices.entries(images=False), limit):
        ranked = sum(not math.isnan(value) for value in entry.human)
        survey.entries += 1
        survey.pairs += sum(1 for _ in entry.decided())
        survey.ties += entry.ties()
        survey.undecided += ranked < 2
        survey.largest = max(survey.largest, ranked)
        survey.prompts.add(cluster_of(entry))
    if not survey.pairs:
        raise BadSource(
            f"{choices.path}: humans decided none of the pairs in its {survey.entries} entries; give a file "
            f"with choices"
        )
    return survey


def _load(entry: Preference, choices: PreferenceFile) -> RankedEntry:
    """Read the images that matter: those of entries in which humans decided something."""
    pairs = list(entry.decided())
    if not pairs:
        return RankedEntry(entry, [], {}, None)
    order = [i for i, value in enumerate(entry.human) if not math.isnan(value)]
    random.Random(f"{entry.where} {entry.prompt}").shuffle(order)
    decoded = {i: choices.image(entry.images[i]) for i in order}
    faults = {i: decoded[i].error or "is unreadable" for i in order if decoded[i].image is None}
    shown = {i: found.image for i, found in decoded.items() if found.image is not None}
    if all(i in faults or j in faults for i, j in pairs):
        return RankedEntry(entry, [], faults, None)
    names = tuple(entry.names[i] for i in shown)
    return RankedEntry(
        entry, list(shown), faults, Group(entry.prompt, tuple(shown.values()), entry.where, names)
    )


def _batches(entries: Iterable[RankedEntry]) -> Iterator[list[RankedEntry]]:
    """Entries of at most `BATCH` images together, so that the images held do not grow with the file."""
    batch: list[RankedEntry] = []
    for ranked in entries:
        if batch and (len(batch) == BATCH or sum(held.size for held in batch) + ranked.size > BATCH):
            yield batch
            batch = []
        batch.append(ranked)
    if batch:
        yield batch


def _rank_batch(
    batch: Sequence[RankedEntry], rankers: Mapping[str, Ranker], tally: Tally, watch: OneScoreWatch
) -> None:
    """Show a batch to every ranker, and count what they say.

    Without a prompt, those that need one are not asked.
    """
    for name, ranker in rankers.items():
        asked = {
            id(ranked): ranked.group
            for ranked in batch
            if ranked.group and (ranked.prompt or not tally.needs_prompt[name])
        }
        groups = list(asked.values())
        rankings = dict(zip(asked, rank_groups(ranker, groups, name), strict=True))
        watch.groups(name, groups, rankings.values())
        for ranked in batch:
            if id(ranked) in rankings:
                ranked.verdicts[name] = rankings[id(ranked)]
    for ranked in batch:
        tally.add(ranked)
