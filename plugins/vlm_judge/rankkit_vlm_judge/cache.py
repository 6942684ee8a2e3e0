"""Verdicts that are kept: one row per question, in an SQLite file that any number of runs may share."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import time
from pathlib import Path

from rankkit import RankkitError
from rankkit_vlm_judge.questions import Asked
from rankkit_vlm_judge.replies import Judgement

SCHEMA = 1
# asked again, a model that refused would refuse again; everything else is worth another try
KEPT = ("ok", "refused")

TABLE = """
create table if not exists verdicts (
    key text primary key, model text, mode text, outcome text not null, p real, mass real, text text,
    finish text, error text, tokens integer not null, attempts integer not null, created real not null
) without rowid
"""
INSERT = """
insert into verdicts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
on conflict (key) do update set model = excluded.model, mode = excluded.mode, outcome = excluded.outcome,
    p = excluded.p, mass = excluded.mass, text = excluded.text, finish = excluded.finish,
    error = excluded.error, tokens = excluded.tokens, attempts = attempts + 1, created = excluded.created
where verdicts.outcome not in ('ok', 'refused')
"""


def default_path() -> Path:
    """Where verdicts are kept when nothing else is said: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rankkit" / "verdicts.sqlite"


def key(model: str, mode: str, question: Asked) -> str:
    """sha256 of everything that decides an answer: model, mode, wording, caption, images in their order."""
    said = json.dumps([SCHEMA, model, mode, question.content], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


class Cache:
    """Verdicts by key. Every one is committed as it comes, so a kill loses only what was under way.

    `path` None: for this run only.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                path or ":memory:", timeout=30, isolation_level=None, check_same_thread=False
            )
            version = int(self._database.execute("pragma user_version").fetchone()[0])
            foreign = (
                version == 0 and self._database.execute("select count(*) from sqlite_master").fetchone()[0]
            )
            if foreign or version not in (0, SCHEMA):
                raise RankkitError(
                    f"{path} holds something else than verdicts of this version; "
                    "give another file with cache="
                )
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")
            self._database.execute(TABLE)
            self._database.execute(f"pragma user_version = {SCHEMA}")
        except (sqlite3.Error, OSError) as error:
            raise RankkitError(
                f"{path} cannot keep verdicts: {error}; give another file with cache=, or cache=none"
            ) from None

    def get(self, key: str) -> Judgement | None:
        """The verdict kept under a key, if a model gave one."""
        found = self._database.execute(
            "select outcome, p, mass, text, finish, tokens, "
            "error from verdicts where key = ? and outcome in (?, ?)",
            (key, *KEPT),
        ).fetchone()
        if found is None:
            return None
        outcome, p, mass, text, finish, tokens, error = found
        return Judgement(
            outcome,
            math.nan if p is None else p,
            math.nan if mass is None else mass,
            text,
            finish,
            tokens,
            error,
        )

    def put(self, key: str, model: str, mode: str, verdict: Judgement) -> None:
        """Keep a verdict.

        A failure is kept too, for people to see; it never replaces an answer and never counts as one.
        """
        numbers = [None if math.isnan(value) else value for value in (verdict.p, verdict.mass)]
        words = [
            verdict.text.encode("utf-8", "replace").decode(),
            verdict.finish,
            verdict.error.encode("utf-8", "replace").decode(),
        ]
        self._database.execute(
            INSERT, (key, model, mode, verdict.outcome, *numbers, *words, verdict.tokens, time.time())
        )

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()
