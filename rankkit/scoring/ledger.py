"""What there is to score and what has been.

A private database on disk, so that 40 000 images need no more memory than 400.

It lives in a temporary file that vanishes with the process; nothing in it is ever the only copy of anything.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

from rankkit.core.panel import combine_scores, stated_weights
from rankkit.core.text import plain, printable
from rankkit.core.types import Identity, ranks
from rankkit.errors import RankkitError
from rankkit.io.formats import from_json, to_json
from rankkit.io.prompts.base import Item
from rankkit.io.rows import Row

SCHEMA = """
CREATE TABLE groups (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE items (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, path BLOB, start INTEGER, size INTEGER,
                    prompt TEXT, metadata TEXT, error TEXT, UNIQUE (grp, name));
CREATE INDEX by_group ON items (grp, id);
CREATE TABLE rows (id INTEGER PRIMARY KEY, scope TEXT, grp TEXT, ranker TEXT, image TEXT, cache_key TEXT,
                   score REAL, status TEXT, place INTEGER, row TEXT, UNIQUE (scope, image));
"""

PLANNED = "SELECT grp FROM items"  # the groups that have images in this run

# What a row is: of an earlier run and not (yet) part of this one, or part of this run's result.
EARLIER, CURRENT = "earlier", "current"

Key = tuple[int, int]  # (group, item): the order in which everything is scored and written


class Ledger:
    """Items to score, in order of groups, and rows by scope.

    One scope is one ranker's verdict on one group.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "": a temporary file of sqlite's own
        self._db.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000;" + SCHEMA
        )

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop everything. Trouble of the database is trouble of the disk it lies on."""
        self._db.close()
        if isinstance(error, sqlite3.Error):
            place = os.environ.get("SQLITE_TMPDIR") or os.environ.get("TMPDIR") or "/var/tmp"
            raise RankkitError(
                f"{place}, where temporary files go: {error}; make room there and give the same command again"
            ) from None

    # --- items ---

    def plan(self, items: Iterable[Item], limit: int | None = None) -> Iterator[Item]:
        """Take items in and yield those that were.

        One that stands twice in its group is taken once, and none beyond the limit.
        """
        self._db.execute("BEGIN")
        room = math.inf if limit is None else limit - self.planned()
        group = None
        for item in items:
            if room <= 0:
                break
            if item.group != group:
                group = item.group
                self._db.execute("INSERT OR IGNORE INTO groups (name) VALUES (?)", (printable(group),))
            start, size = item.span or (None, None)
            taken = self._db.execute(
                "INSERT OR IGNORE INTO items (grp, name, path, start, size, prompt, metadata, error) "
                "SELECT id, ?, ?, ?, ?, ?, ?, ? FROM groups WHERE name = ?",
                (
                    *(
                        printable(item.name),
                        item.path.encode("utf-8", "surrogatepass"),
                        start,
                        size,
                        printable(item.prompt),
                    ),
                    *(
                        json.dumps(plain(item.metadata)) if item.metadata else None,
                        item.error,
                        printable(item.group),
                    ),
                ),
            ).rowcount
            if taken:
                room -= 1
                yield item
        self._db.execute("COMMIT")

    def planned(self) -> int:
        """How many images there are to score."""
        return int(self._one("SELECT count(*) FROM items"))

    def groups(self) -> int:
        """How many groups they form."""
        return int(self._one("SELECT count(DISTINCT grp) FROM items"))

    def without_prompt(self, some: int = 3) -> tuple[int, list[str]]:
        """How many images have no prompt, and the names of some of them."""
        names = self._db.execute("SELECT name FROM items WHERE prompt = '' LIMIT ?", (some,)).fetchall()
        return int(self._one("SELECT count(*) FROM items WHERE prompt = ''")), [name for (name,) in names]

    def items(self) -> Iterator[tuple[Key, Item]]:
        """Every item, group by group; rows may be put while this is being read."""
        key = (-1, -1)
        while page := self._db.execute(
            "SELECT i.grp, i.id, i.path, i.name, g.name, i.prompt, i.metadata, i.start, i.size, i.error "
            "FROM items i JOIN groups g ON g.id = i.grp WHERE (i.grp, i.id) > (?, ?) ORDER BY i.grp, i.id "
            "LIMIT 256",
            key,
        ).fetchall():
            for grp, number, path, name, group, prompt, metadata, start, size, error in page:
                key = (grp, number)
                span = None if start is None else (start, size)
                yield (
                    key,
                    Item(
                        path.decode("utf-8", "surrogatepass"),
                        name,
                        group,
                        prompt,
                        json.loads(metadata) if metadata else {},
                        span,
                        error,
                    ),
                )

    # --- rows ---

    def load_previous(self, rows: Iterable[Row]) -> int:
        """Take in rows of earlier runs; a later row for the same image and ranker replaces an earlier one.

        Returns how many.
        """
        count = 0
        self._db.execute("BEGIN")
        for row in rows:
            self._put(row, EARLIER, None)
            count += 1
        self._db.execute("COMMIT")
        return count

    def put(self, rows: Iterable[tuple[Key, Row]]) -> None:
        """Take in rows that were scored now."""
        self._db.execute("BEGIN")
        for key, row in rows:
            self._put(row, CURRENT, key[1])
        self._db.execute("COMMIT")

    def known(self, identity: Identity, item: Item, sha256: str) -> float | None:
        """The score of this very image by this very ranker.

        NaN where it abstained, None where the ledger knows nothing of it.
        """
        found = self._db.execute(
            "SELECT score FROM rows WHERE scope = ? AND image = ? AND cache_key = ?",
            (scope(identity, item.group), item.name, cache_key(sha256, item.prompt, identity.version)),
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

    def ranked_rows(self, rankers: list[tuple[Identity, bool]]) -> Iterator[tuple[Row, bool]]:
        """The rows of every planned group by each ranker, and whether their image was planned.

        `rank` and `of` are filled in.

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
        named = [_ranker(identity) for identity in rankers]
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
                return stated_weights(from_json(text)["details"])
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
            row = from_json(text)
            row["rank"], row["of"] = plain(rank), of
            yield row, status == CURRENT

    def _combined(
        self, where: str, statuses: Sequence[str], weights: Mapping[str, float]
    ) -> Iterator[tuple[Row, bool]]:
        """A panel's rows hold its members' scores; what they add up to is known when the whole group is."""
        members: dict[str, list[float]] = {name: [] for name in weights}
        for (text,) in self._in_scope("row", where, statuses):
            found = from_json(text)["details"].get("members", {})
            for name, scores in members.items():
                score = found.get(name, {}).get("score")
                scores.append(math.nan if score is None else score)
        combined = combine_scores(members, weights)
        places, places_of = ranks(combined), {name: ranks(scores) for name, scores in members.items()}
        of = sum(not math.isnan(score) for score in combined)
        for i, (text, status) in enumerate(self._in_scope("row, status", where, statuses)):
            row = from_json(text)
            for name, found in row["details"].get("members", {}).items():
                found["rank"] = plain(places_of[name][i])
            row["score"], row["rank"], row["of"] = plain(combined[i]), plain(places[i]), of
            yield row, status == CURRENT

    def _in_scope(self, columns: str, where: str, statuses: Sequence[str]) -> sqlite3.Cursor:
        marks = ", ".join("?" * len(statuses))
        return self._db.execute(
            f"SELECT {columns} FROM rows WHERE scope = ? AND status IN ({marks}) ORDER BY place IS NULL, "
            f"place, id",
            (where, *statuses),
        )

    def _put(self, row: Row, status: str, place: int | None) -> None:
        identity = Identity(row["ranker"], row["version"], row["options"])
        self._db.execute(
            "INSERT INTO rows (scope, grp, ranker, image, cache_key, score, status, place, row) VALUES (?, "
            "?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (scope, image) DO UPDATE SET cache_key = excluded.cache_key, score = "
            "excluded.score, "
            "status = excluded.status, place = excluded.place, row = excluded.row",
            (
                *(scope(identity, row["group"]), printable(row["group"]), _ranker(identity), row["image"]),
                cache_key(row["sha256"], row["prompt"], row["version"]),
                *(row["score"], status, place, to_json(row)),
            ),
        )

    def _one(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()[0]


def _ranker(identity: Identity) -> str:
    return json.dumps([identity.ranker, plain(identity.options)], sort_keys=True)


def scope(identity: Identity, group: str) -> str:
    """One ranker, with its options, on one group.

    Its version is not part: a newer version replaces what an older one said.
    """
    return json.dumps([printable(group), identity.ranker, plain(identity.options)], sort_keys=True)


def cache_key(sha256: str, prompt: str, version: str) -> str:
    """What must be unchanged for an earlier score to stand."""
    return json.dumps([sha256, prompt, version])
