"""Groups whose images lie in several shards: they get their ranks when all shards are scored.

What is held is on disk, in a temporary database, and no more than those groups.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from rankkit.io.formats import all_rows, known_row, replacing, to_json
from rankkit.io.rows import Row
from rankkit.scoring.ledger import Ledger
from rankkit.scoring.shards.one import DIGEST, digest_of

SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000;
CREATE TABLE seen (grp BLOB, shard INTEGER, PRIMARY KEY (grp, shard)) WITHOUT ROWID;
CREATE TABLE shared (grp BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE ranked (key TEXT PRIMARY KEY, row TEXT) WITHOUT ROWID;
"""
APART = (
    "its group lies in several shards, and this ranker compares the images of a group: write each group into "
    "one shard, or score into one file"
)


class GroupIndex:
    """Which groups lie in which shards, these by number."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(SCHEMA)

    def __enter__(self) -> GroupIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, shard: int, groups: bytes) -> None:
        """Take in the digests of a shard's groups."""
        found = ((groups[at : at + DIGEST], shard) for at in range(0, len(groups), DIGEST))
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", found)
        self._db.execute("COMMIT")

    def shared(self) -> list[int]:
        """The shards that hold a group which others hold too."""
        self._db.execute("INSERT OR IGNORE INTO shared SELECT grp FROM seen GROUP BY grp HAVING count(*) > 1")
        found = self._db.execute(
            "SELECT DISTINCT shard FROM seen JOIN shared ON seen.grp = shared.grp ORDER BY shard"
        )
        return [shard for (shard,) in found]

    def is_shared(self, row: Row) -> bool:
        """Whether the group of a row lies in several shards; after `shared` was asked."""
        digest = digest_of(row["group"], row["prompt"])
        return self._db.execute("SELECT 1 FROM shared WHERE grp = ?", (digest,)).fetchone() is not None

    def rank(self, rows: Iterator[Row]) -> None:
        """Rank the rows of shared groups, each group as one."""
        with Ledger() as ledger:
            ledger.load_previous(_told_apart(row) for row in rows if self.is_shared(row))
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT OR REPLACE INTO ranked VALUES (?, ?)",
                ((_key(row), to_json(row)) for row in map(_as_it_was, ledger.untouched_rows([]))),
            )
            self._db.execute("COMMIT")

    def ranked(self, row: Row) -> Row:
        """A row as it stands in its whole group."""
        found = self._db.execute("SELECT row FROM ranked WHERE key = ?", (_key(row),)).fetchone()
        return known_row(found[0]) if found else row


def rewrite(path: Path, index: GroupIndex, independent: Callable[[Row], bool]) -> Counter[str]:
    """Write the rows of a shard anew: those of shared groups with their ranks among all, or abstaining where
    the ranker would have had to see the whole group. Returns the reasons of all its abstentions.
    """
    reasons: Counter[str] = Counter()
    with replacing(path) as write:
        for row in all_rows(path):
            if index.is_shared(row):
                row = index.ranked(row) if independent(row) else apart(row)
            write(row)
            if row["error"]:
                reasons[f"{row['ranker']}: {row['error']}"] += 1
    return reasons


def apart(row: Row) -> Row:
    """The abstention of a ranker that saw only some images of a group."""
    found = row.copy()
    found["score"] = found["stderr"] = found["rank"] = None
    found["of"], found["error"] = 0, APART
    return found


def _told_apart(row: Row) -> Row:
    """A row whose group has the prompt in its name: groups of one name and two prompts are two."""
    found = row.copy()
    found["group"] = row["group"] + digest_of(row["group"], row["prompt"]).hex()
    return found


def _as_it_was(row: Row) -> Row:
    row["group"] = row["group"][: -2 * DIGEST]
    return row


def _key(row: Row) -> str:
    return json.dumps(
        [row["ranker"], row["options"], row["group"], row["prompt"], row["image"]], sort_keys=True
    )
