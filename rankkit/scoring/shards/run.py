"""The run over shards: what is not scored yet goes to workers, what they say is kept, ranks are filled in."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rankkit.core.images import fingerprint
from rankkit.core.text import count, first_few, plain
from rankkit.errors import RankkitError, RunStopped
from rankkit.io.formats import all_rows, read_rows, replacing
from rankkit.io.rows import Row, why_stale
from rankkit.io.urls import is_url
from rankkit.registry.load import Prepared
from rankkit.scoring.lanes import Outcome, Progress
from rankkit.scoring.ledger import ranker_key
from rankkit.scoring.plan import RunPlan, Say
from rankkit.scoring.shards.across import GroupIndex, rewrite
from rankkit.scoring.shards.find import Found, find
from rankkit.scoring.shards.folder import Done, ShardFolder
from rankkit.scoring.shards.one import Failed, Scored, Task, digest_of_file
from rankkit.scoring.shards.shard import Reading, Shard

IN_A_ROW = 8  # shards that fail one after the other and end the run

# takes shards up, in any order, and gives each back with what became of it
Workers = Callable[[Task, Iterator[Shard]], Iterable[tuple[Shard, Scored | Failed]]]


def score_shards(
    paths: Sequence[str],
    rankers: Sequence[Prepared],
    output: str,
    workers: Workers,
    *,
    prompts: Path | None,
    reading: Reading,
    overwrite: bool = False,
    prune: bool = False,
    say: Say = lambda text: None,
    progress: Callable[[int], contextlib.AbstractContextManager[Progress]] | None = None,
) -> Outcome:
    """Score the shards at these paths and URLs, and leave rows for each, and a manifest, in the folder
    `output` (jsonl, or parquet where its name ends so).

    A shard that is scored already, by these rankers with these settings, is left as it is. With `prune` rows
    that no longer count are dropped, and those of archives that are gone from their folder. Raises
    `RankkitError` when shards could not be scored: all others are, and the same command goes on.
    """
    about = _about(rankers, reading)
    task = Task(output, reading, overwrite, fingerprint(json.dumps(about).encode())[:16])
    with ShardFolder(output) as folder, RunPlan() as plan, GroupIndex() as index:
        found = find(paths, prompts, reading, rankers, plan, say)
        run = _Run(folder, task, index, _sources(found), say)
        try:
            with progress(found.about) if progress else contextlib.nullcontext(lambda n: None) as advance:
                run.score(found, workers, advance)
            run.fill_ranks(rankers)
            run.drop_replaced(prune)
            if prune:
                run.drop_stale()
        finally:
            with contextlib.suppress(RankkitError):  # what ended the run is said, not what comes of it
                folder.write_manifest(about, run.current(), found.about)
    return run.outcome


class _Run:
    """What is scored by now: `keys` of this run's shards, by the numbers that the index has.

    `sources` tells these shards from others: ranks that were filled in among others do not hold.
    """

    def __init__(self, folder: ShardFolder, task: Task, index: GroupIndex, sources: str, say: Say) -> None:
        self.folder, self.task, self.index, self.sources, self.say = folder, task, index, sources, say
        self.finished = folder.finished()
        self.keys: list[str] = []
        self.outcome = Outcome()

    def current(self) -> dict[str, Done]:
        """The shards of this run that are scored."""
        return {key: self.finished[key] for key in self.keys}

    def score(self, found: Found, workers: Workers, advance: Progress) -> None:
        """Have every shard scored that is not.

        Raises `RankkitError` when some could not be.
        """
        failed: dict[str, str] = {}
        in_a_row = 0
        for shard, answer in workers(self.task, self._missing(found, advance)):
            if isinstance(answer, Failed):
                if answer.stop:
                    raise RunStopped(answer.reason)
                failed[shard.name] = answer.reason
                in_a_row += 1
                if in_a_row >= IN_A_ROW:
                    break
                continue
            in_a_row = 0
            self.folder.finish(shard.key, answer.done, answer.groups)
            self.finished[shard.key] = answer.done
            self._count(shard.key, answer.groups)
            self.outcome.scored += answer.done.scores - answer.reused
            self.outcome.reused += answer.reused
            advance(1)
        if failed:
            raise RankkitError(_why(failed, len(self.keys), self.folder.place))

    def _missing(self, found: Found, advance: Progress) -> Iterator[Shard]:
        for shard in found.shards():
            done = self.finished.get(shard.key)
            if done is None or not self._holds(done, shard):
                yield shard
                continue
            self._count(shard.key, self.folder.groups(shard.key))
            self.outcome.reused += done.scores
            advance(1)

    def _holds(self, done: Done, shard: Shard) -> bool:
        same = (done.run, done.stamp) == (self.task.run, shard.stamp)
        ranked = done.merged in ("", self.sources)
        return same and ranked and not self.task.overwrite and self.folder.has_rows(done)

    def _count(self, key: str, groups: bytes) -> None:
        self.index.add(len(self.keys), groups)
        self.keys.append(key)
        self.outcome.images += self.finished[key].images
        self.outcome.groups += self.finished[key].groups
        self.outcome.stale += self.finished[key].stale

    def fill_ranks(self, rankers: Sequence[Prepared]) -> None:
        """Rank the groups that several shards hold, and count abstentions."""
        shared = [self.keys[number] for number in self.index.shared()]
        own = {ranker_key(each.identity.ranker, each.identity.options): each.independent for each in rankers}

        def independent(row: Row) -> bool:
            return own.get(ranker_key(row["ranker"], row["options"]), row["kind"] == "pointwise")

        if shared:
            self.say(f"filling in the ranks of groups that lie in {len(shared)} shards together")
            self.index.rank(row for key in shared for row in self._rows(key) if independent(row))
        for key in shared:
            with self.folder.rows(self.finished[key].rows) as path:
                reasons = rewrite(path, self.index, independent)
                self._keep(key, path, reasons=dict(reasons), abstained=reasons.total(), merged=self.sources)
        for done in self.current().values():
            self.outcome.abstained += done.abstained
            self.outcome.reasons += Counter(done.reasons)

    def drop_replaced(self, prune: bool) -> None:
        """Drop rows of listed images, which stand in other shards by now, and to `prune` of archives that are
        gone; say of others that they stay.
        """
        others = self.finished.keys() - set(self.keys)
        kept = []
        for key in others:
            done = self.finished[key]
            gone = not os.path.exists(done.shard) and os.path.isdir(os.path.dirname(done.shard) or ".")
            if done.shard.startswith("images/"):
                self.folder.forget(key, done)
            elif prune and gone and not is_url(done.shard):
                self.folder.forget(key, done)
                self.outcome.pruned += done.scores
            else:
                kept.append(done.rows)
        if kept:
            names = first_few(sorted(kept)[:3], of=len(kept))
            self.say(f"{count(len(kept), 'file')} of rows of earlier runs over other shards stay: {names}")

    def drop_stale(self) -> None:
        """Write the files anew that hold rows which no longer count, without these."""
        for key in self.keys:
            stale = sum(why_stale(row) is not None for row in self._rows(key))
            if not stale:
                continue
            with self.folder.rows(self.finished[key].rows) as path:
                with replacing(path) as write:
                    for row in read_rows(path):
                        write(row)
                self._keep(key, path, stale=0)
            self.outcome.pruned += stale
        self.outcome.stale = 0

    def _keep(self, key: str, path: Path, **changes: Any) -> None:
        """Keep how a shard's file of rows is now."""
        size, sha256 = path.stat().st_size, digest_of_file(path)
        self.finished[key] = dataclasses.replace(self.finished[key], bytes=size, sha256=sha256, **changes)
        self.folder.finish(key, self.finished[key], self.folder.groups(key))

    def _rows(self, key: str) -> Iterator[Row]:
        with self.folder.rows(self.finished[key].rows) as path:
            yield from all_rows(path)


def _about(rankers: Sequence[Prepared], reading: Reading) -> dict[str, object]:
    """What rows depend on, beside images: rankers, and how prompts are read."""
    names = [
        {
            "ranker": each.identity.ranker,
            "version": each.identity.version,
            "options": plain(each.identity.options),
        }
        for each in rankers
    ]
    return {"rankers": names, **dataclasses.asdict(reading)}


def _sources(found: Found) -> str:
    names = json.dumps([[shard.name, shard.stamp] for shard in found.files] + [found.about])
    return fingerprint(names.encode())[:16]


def _why(failed: dict[str, str], scored: int, place: str) -> str:
    name, reason = next(iter(failed.items()))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    named = reason if reason.startswith(name) else f"{name}: {reason}"
    return (
        f"{named}{more}; {count(scored, 'shard')} {'is' if scored == 1 else 'are'} scored and kept in "
        f"{place}, and the same command goes on with the rest"
    )
