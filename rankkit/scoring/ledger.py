"""What there is to score (`RunPlan`) and what has been: the rows of this run and of earlier ones."""

from __future__ import annotations

import functools
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from rankkit.core.panel import combine_scores, stated_members, stated_weights
from rankkit.core.text import plain, printable
from rankkit.core.types import Identity, ranks
from rankkit.io.formats import known_row, to_json
from rankkit.io.prompts.base import Item
from rankkit.io.rows import IMAGE_GONE, METADATA_HASH, PROMPT_CHANGED, STALE, Row, why_stale
from rankkit.scoring.plan import Key, RunPlan

SCHEMA = """
CREATE TABLE rows (id INTEGER PRIMARY KEY, scope TEXT, grp TEXT, ranker TEXT, image TEXT, prompt TEXT,
                   cache_key TEXT, score REAL, status TEXT, place INTEGER, row TEXT, UNIQUE (scope, image));
"""

PLANNED = "SELECT grp FROM items"  # the groups that have images in this run

# What a row is: of an earlier run and not (yet) part of this one, or part of this run's result. Any other
# status is the reason why it no longer counts.
EARLIER, CURRENT = "earlier", "current"

_SORTED = json.JSONEncoder(sort_keys=True)  # made once: that is half of what encoding so little takes
_without_options = functools.cache(lambda name: _SORTED.encode([name, {}]))


class Ledger(RunPlan):
    """The plan of a run, and rows by scope.

    One scope is one ranker's verdict on one group.
    """

    def __init__(self) -> None:
        super().__init__()
        self._db.executescript(SCHEMA)

    def load_previous(self, rows: Iterable[Row]) -> int:
        """Take in rows of earlier runs, a later one for an earlier of the same image and ranker; how many."""
        before = self._db.total_changes
        self._put_all(map(_of_earlier, rows))
        return self._db.total_changes - before

    def put(self, rows: Sequence[tuple[Key, Row]]) -> list[str]:
        """Take in rows that were scored now. Returns each as a line of JSON."""
        lines = [to_json(row) for _, row in rows]
        pairs = zip(rows, lines, strict=True)
        self._put_all(_values(row, line, CURRENT, key[1]) for (key, row), line in pairs)
        return lines

    def known(self, identity: Identity, item: Item, sha256: str, metadata: str = "") -> float | None:
        """The score of this very image, with the metadata of this hash, by this very ranker.

        NaN where it abstained, None where the ledger knows nothing of it.
        """
        key = cache_key(sha256, item.prompt, identity.version, metadata)
        found = self._db.execute(
            "SELECT score FROM rows WHERE scope = ? AND image = ? AND cache_key = ?",
            (scope(identity, item.group), item.name, key),
        ).fetchone()
        return None if found is None else math.nan if found[0] is None else found[0]

    def mark_current(self, identity: Identity, item: Item, key: Key) -> None:
        """An earlier row stands: it is part of this run's result."""
        self._db.execute(
            "UPDATE rows SET status = ?, place = ? WHERE scope = ? AND image = ?",
            (CURRENT, key[1], scope(identity, item.group), item.name),
        )

    def members(self, identity: Identity, group: str) -> int:
        """How many images earlier runs ranked together in this scope."""
        return int(self._one("SELECT count(*) FROM rows WHERE scope = ?", scope(identity, group)))

    def mark_stale(self, rankers: Iterable[Identity], gone: Callable[[str], bool]) -> None:
        """Rows of earlier runs count no longer where the image is gone, or where it has another prompt now.

        Of the run's own rankers also where it stands in another group now. A run that was limited to some
        images says nothing of the others, and marks none.
        """
        if self.limited:
            return
        names = self._db.execute(
            "SELECT DISTINCT image FROM rows WHERE status = ? AND image NOT IN (SELECT name FROM items)",
            (EARLIER,),
        ).fetchall()
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE rows SET status = ? WHERE image = ? AND status = ?",
            ((IMAGE_GONE, name, EARLIER) for (name,) in names if gone(name)),
        )
        named = [ranker_key(each.ranker, each.options) for each in rankers]
        self._db.execute(
            "UPDATE rows SET status = ? WHERE status = ? AND image IN (SELECT name FROM items) "
            "AND NOT EXISTS (SELECT 1 FROM items i JOIN groups g ON g.id = i.grp WHERE i.name = rows.image "
            "AND i.prompt = rows.prompt AND (g.name = rows.grp "
            f"OR rows.ranker NOT IN ({', '.join('?' * len(named))})))",
            (PROMPT_CHANGED, EARLIER, *named),
        )
        self._db.execute("COMMIT")

    def stale_rows(self, rankers: Iterable[tuple[Identity, bool]]) -> Iterator[Row]:
        """The rows that no longer count, without ranks and with the reason in their details.

        The flag beside an identity is that of `ranked_rows`.
        """
        whole = [ranker_key(each.ranker, each.options) for each, independent in rankers if not independent]
        for text, reason in self._db.execute(
            "SELECT row, status FROM rows WHERE status NOT IN (?, ?) AND NOT (grp IN (SELECT name "
            f"FROM groups WHERE id IN ({PLANNED})) AND ranker IN ({', '.join('?' * len(whole))})) "
            "ORDER BY id",
            (EARLIER, CURRENT, *whole),
        ):
            row = known_row(text)
            row["rank"], row["of"] = None, 0
            row["details"] = {**row["details"], STALE: reason}
            yield row

    def ranked_rows(self, rankers: list[tuple[Identity, bool]]) -> Iterator[tuple[Row, bool]]:
        """The rows of every planned group by each ranker, ranked, and whether their image was planned.

        The flag beside an identity says whether images are scored independently of each other (pointwise):
        such a group keeps the rows of images that were not planned this time; any other ranking holds for the
        images it was made of only.
        """
        for (group,) in self._db.execute(f"SELECT name FROM groups WHERE id IN ({PLANNED}) ORDER BY id"):
            for identity, independent in rankers:
                statuses = (EARLIER, CURRENT) if independent else (CURRENT,)
                yield from self._ranked(scope(identity, group), statuses, identity.weights)

    def untouched_rows(self, rankers: Iterable[Identity]) -> Iterator[Row]:
        """The rows of other groups and of other rankers. What a killed run left of them is ranked as well."""
        named = [ranker_key(each.ranker, each.options) for each in rankers]
        scopes = self._db.execute(
            f"SELECT scope FROM rows WHERE NOT (grp IN (SELECT name FROM groups WHERE id IN ({PLANNED})) "
            f"AND ranker IN ({', '.join('?' * len(named))})) GROUP BY scope ORDER BY min(id)",
            named,
        )
        for (where,) in scopes:
            weights = self._weights_in(where)
            yield from (row for row, _ in self._ranked(where, (EARLIER, CURRENT), weights))

    def _weights_in(self, where: str) -> dict[str, float] | None:
        """The weights that a panel's rows state themselves; None for rows of anything else."""
        for text, score in self._in_scope("row, score", where, (EARLIER, CURRENT)):
            if score is not None:
                return stated_weights(known_row(text)["details"])
        return None

    def _ranked(
        self, where: str, statuses: Sequence[str], weights: Mapping[str, float] | None
    ) -> Iterator[tuple[Row, bool]]:
        if weights is not None:
            yield from self._combined(where, statuses, weights)
            return
        scores = [
            math.nan if score is None else score for (score,) in self._in_scope("score", where, statuses)
        ]
        of = sum(not math.isnan(score) for score in scores)
        for rank, (text, status) in zip(
            ranks(scores), self._in_scope("row, status", where, statuses), strict=True
        ):
            row = known_row(text)
            row["rank"], row["of"] = plain(rank), of
            yield row, status == CURRENT

    def _combined(
        self, where: str, statuses: Sequence[str], weights: Mapping[str, float]
    ) -> Iterator[tuple[Row, bool]]:
        """A panel's rows hold its members' scores; what they add up to is known when the whole group is."""
        members: dict[str, list[float]] = {name: [] for name in weights}
        for (text,) in self._in_scope("row", where, statuses):
            found = stated_members(known_row(text)["details"])
            for name, scores in members.items():
                score = found.get(name, {}).get("score")
                scores.append(score if isinstance(score, (int, float)) else math.nan)
        combined = combine_scores(members, weights)
        places, places_of = ranks(combined), {name: ranks(scores) for name, scores in members.items()}
        of = sum(not math.isnan(score) for score in combined)
        for i, (text, status) in enumerate(self._in_scope("row, status", where, statuses)):
            row = known_row(text)
            for name, member in stated_members(row["details"]).items():
                if name in places_of:
                    member["rank"] = plain(places_of[name][i])
            row["score"], row["rank"], row["of"] = plain(combined[i]), plain(places[i]), of
            yield row, status == CURRENT

    def _in_scope(self, columns: str, where: str, statuses: Sequence[str]) -> sqlite3.Cursor:
        marks = ", ".join("?" * len(statuses))
        return self._db.execute(
            f"SELECT {columns} FROM rows WHERE scope = ? AND status IN ({marks}) ORDER BY place IS NULL, "
            f"place, id",
            (where, *statuses),
        )

    def _put_all(self, values: Iterable[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO rows (scope, grp, ranker, image, prompt, cache_key, score, status, place, row) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (scope, image) DO UPDATE SET prompt = excluded.prompt, "
            "cache_key = excluded.cache_key, score = excluded.score, status = excluded.status, "
            "place = excluded.place, row = excluded.row",
            values,
        )
        self._db.execute("COMMIT")


def _values(row: Row, line: str, status: str, place: int | None) -> tuple[Any, ...]:
    """What the table holds of a row."""
    ranker, group, prompt = ranker_key(row["ranker"], row["options"]), row["group"], row["prompt"]
    key = cache_key(row["sha256"], prompt, row["version"], row["details"].get(METADATA_HASH, ""))
    named = _scope(ranker, group), printable(group), ranker, row["image"], printable(prompt)
    return *named, key, row["score"], status, place, line


def _of_earlier(row: Row) -> tuple[Any, ...]:
    """The same of a row of an earlier run, which may count no longer."""
    if stale := why_stale(row):
        row["details"] = {key: value for key, value in row["details"].items() if key != STALE}
    return _values(row, to_json(row), stale or EARLIER, None)


def scope(identity: Identity, group: str) -> str:
    """One ranker, with its options, on one group.

    Its version is not part: a newer version replaces what an older one said.
    """
    return _scope(ranker_key(identity.ranker, identity.options), group)


def _scope(ranker: str, group: str) -> str:
    return f"{ranker}\n{printable(group)}"  # JSON holds no line break, so that no two are taken for one


def ranker_key(name: str, options: Mapping[str, Any]) -> str:
    """What tells a ranker, with its options, from others."""
    return _SORTED.encode([name, plain(options)]) if options else _without_options(name)


def cache_key(sha256: str, prompt: str, version: str, metadata: str) -> str:
    """What must be unchanged for an earlier score to stand; of metadata that the ranker reads, a hash."""
    return json.dumps([sha256, prompt, version, metadata])
