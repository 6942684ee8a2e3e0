"""The images of a run, group by group, in a private database on disk: memory does not grow with their number.

It lives in a temporary file that vanishes with the process; nothing in it is ever the only copy of anything.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

from rankkit.core.text import count, plain, printable
from rankkit.errors import RankkitError
from rankkit.io.prompts import Survey
from rankkit.io.prompts.base import FILLED, Item, slug

SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000;
CREATE TABLE groups (id INTEGER PRIMARY KEY, name TEXT, prompt TEXT, UNIQUE (name, prompt));
CREATE TABLE items (id INTEGER PRIMARY KEY, grp INTEGER, name TEXT, path BLOB, start INTEGER, size INTEGER,
                    prompt TEXT, metadata TEXT, error TEXT, col TEXT, source TEXT, written TEXT, tile TEXT,
                    UNIQUE (grp, name));
CREATE INDEX by_group ON items (grp, id);
CREATE INDEX by_name ON items (name);
"""

WORTH_WORKERS = 256  # images for which it pays to start processes

Say = Callable[[str], None]
Key = tuple[int, int]  # (group, item): the order in which everything is scored and written

P = TypeVar("P", bound="RunPlan")


class RunPlan:
    """Items to score, in order of groups."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # "": a temporary file of sqlite's own
        self._db.executescript(SCHEMA)
        self._limited = False
        self.repeats = 0

    def __enter__(self: P) -> P:
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

    def plan(self, items: Iterable[Item], limit: int | None = None) -> Iterator[Item]:
        """Take items in and yield those that were.

        One that stands twice with one prompt is taken once, with the metadata that both have, and counted in
        `repeats`; none is taken beyond the limit.
        """
        self._db.execute("BEGIN")
        room = math.inf if limit is None else limit - self.planned()
        group, named = None, ("", "")
        for item in items:
            if room <= 0:
                self._limited = True
                break
            if (item.group, item.prompt) != group:
                group = item.group, item.prompt
                named = printable(item.group), printable(item.prompt)
                self._db.execute("INSERT OR IGNORE INTO groups (name, prompt) VALUES (?, ?)", named)
            taken = self._db.execute(
                "INSERT OR IGNORE INTO items (grp, name, path, start, size, prompt, metadata, error, col, "
                "source, written, tile) SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM groups "
                "WHERE name = ? AND prompt = ?",
                (*_columns(item), *named),
            ).rowcount
            if taken:
                room -= 1
                yield item
            else:
                self._repeat(item, named)
        self._db.execute("COMMIT")

    def _repeat(self, item: Item, group: tuple[str, str]) -> None:
        """An item is there already: what is told of it differently is told of neither."""
        self.repeats += 1
        (number, text) = self._db.execute(
            "SELECT i.id, i.metadata FROM items i JOIN groups g ON g.id = i.grp "
            "WHERE g.name = ? AND g.prompt = ? AND i.name = ?",
            (*group, printable(item.name)),
        ).fetchone()
        known, other = json.loads(text or "{}"), plain(item.metadata)
        shared = {key: value for key, value in known.items() if key in other and other[key] == value}
        if shared != known:
            self._db.execute("UPDATE items SET metadata = ? WHERE id = ?", (json.dumps(shared), number))

    def separate_prompts(self) -> None:
        """Give groups that share a name and not a prompt names of their own: images of one prompt compete."""
        self._db.create_function("slug", 1, slug, deterministic=True)
        self._db.execute(
            "UPDATE groups SET name = name || '/' || slug(prompt) WHERE name IN "
            "(SELECT name FROM groups GROUP BY name HAVING count(*) > 1)"
        )

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
            "SELECT i.grp, i.id, g.name, i.name, i.path, i.start, i.size, i.prompt, i.metadata, i.error, "
            "i.col, i.source, i.written, i.tile "
            "FROM items i JOIN groups g ON g.id = i.grp WHERE (i.grp, i.id) > (?, ?) ORDER BY i.grp, i.id "
            "LIMIT 256",
            key,
        ).fetchall():
            for grp, number, group, *columns in page:
                key = (grp, number)
                yield key, _item(group, *columns)

    @property
    def limited(self) -> bool:
        """Whether the limit of the run may have left images out."""
        return self._limited

    def _one(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()[0]


def _columns(item: Item) -> tuple[str | bytes | int | None, ...]:
    """An item as the table holds it, its group left out; `_item` makes it again."""
    start, size = item.span or (None, None)
    return (
        printable(item.name),
        item.path.encode("utf-8", "surrogatepass"),
        start,
        size,
        printable(item.prompt),
        json.dumps(plain(item.metadata)) if item.metadata else None,
        item.error,
        item.column,
        item.source,
        printable(item.written),
        json.dumps(item.tile) if item.tile else None,
    )


def _item(
    group: str,
    name: str,
    path: bytes,
    start: int | None,
    size: int | None,
    prompt: str,
    metadata: str | None,
    error: str | None,
    column: str,
    source: str,
    written: str,
    tile: str | None,
) -> Item:
    return Item(
        path.decode("utf-8", "surrogatepass"),
        name,
        group,
        prompt,
        json.loads(metadata) if metadata else {},
        None if start is None or size is None else (start, size),
        error=error,
        column=column,
        source=source,
        written=written,
        tile=tuple(json.loads(tile)) if tile else None,
    )


def plan_surveys(
    plan: RunPlan,
    surveys: Iterable[Survey],
    prompt: str | None,
    limit: int | None,
    say: Say,
    many: Callable[[], None],
) -> None:
    """Plan what the surveys found; `many` is called once there are enough images for processes to pay."""
    planned = 0
    for found in surveys:
        counts = Counter[str]()
        several = 0
        for item in plan.plan(found.items(prompt), limit):
            counts[item.source] += 1
            several += item.captions > 1
            planned += 1
            if planned == WORTH_WORKERS:
                many()
        say(f"{found.root.label or 'here'}: {count(sum(counts.values()), 'image')}; {_sources(counts)}")
        for note in found.notes:
            say(f"  {note}")
        if several and found.captions != "all":
            say(f"  {several} have several captions, and the {found.captions} is used (--caption)")
    if plan.repeats:
        say(f"{plan.repeats} times an image was named again with its prompt: it is scored once")
    plan.separate_prompts()


def _sources(counts: Mapping[str, int]) -> str:
    """How many images got their prompt from where, in words."""
    given = [f"from {source} for {count}" for source, count in counts.items() if source and source != FILLED]
    said = f"prompts {', '.join(given)}" if given else "no prompts found"
    return said + (f", --prompt fills {counts[FILLED]}" if FILLED in counts else "")
