"""The folder, here or at a URL, in which a run leaves a file of rows for each shard, and `manifest.json`.

`done/KEY.json` says that a shard is scored, and how; it is written after the rows. `manifest.json` holds all
of these, and is written anew whenever a run ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from types import TracebackType
from typing import Any

from rankkit.errors import RankkitError
from rankkit.io.urls import MANIFEST
from rankkit.scoring.shards.files import files_of

FORMAT = 1  # of manifest.json


@dataclass
class Done:
    """One shard that is scored.

    `run` and `stamp` say by which rankers and settings, and of which contents; `merged` among which shards
    ranks were filled in, where some group lies in several. `stale`: how many rows of earlier images or
    prompts, which no longer count, its file holds beside them. `bytes` and `sha256` are those of the file
    `rows`.
    """

    shard: str
    rows: str
    stamp: str
    run: str
    images: int
    groups: int
    scores: int
    abstained: int
    bytes: int
    sha256: str
    reasons: dict[str, int] = field(default_factory=dict)
    merged: str = ""
    stale: int = 0


class ShardFolder:
    """Where the rows of a run over shards go. Entering it keeps a second run out, where it is a path."""

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") or "/"
        self.suffix = ".parquet" if self.place.lower().endswith(".parquet") else ".jsonl"
        self._files = files_of(self.place)
        self.rows = self._files.at_hand  # the path of a file of rows, to be read or written

    def __enter__(self) -> ShardFolder:
        self._files.lock("done/.lock")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.unlock()

    def finished(self) -> dict[str, Done]:
        """The shards that are scored, by key."""
        found = self._files.read_all("done", ".json")
        return {PurePath(path).stem: _done(path, text) for path, text in found.items()}

    def finish(self, key: str, done: Done, groups: bytes) -> None:
        """Keep that a shard is scored, and the digests of its groups."""
        self._files.write(f"done/{key}.groups", groups)
        self._files.write(f"done/{key}.json", json.dumps(asdict(done)).encode())

    def groups(self, key: str) -> bytes:
        """The digests of a finished shard's groups."""
        return self._files.read(f"done/{key}.groups")

    def has_rows(self, done: Done) -> bool:
        """Whether the rows of a finished shard are there, as long as they were."""
        try:
            return self._files.size(done.rows) == done.bytes
        except OSError:
            return False

    def forget(self, key: str, done: Done) -> None:
        """Drop a shard: its rows, and that it was scored."""
        for name in (f"done/{key}.json", f"done/{key}.groups", done.rows):
            with contextlib.suppress(OSError):
                self._files.remove(name)

    def write_manifest(self, run: dict[str, Any], finished: dict[str, Done], shards: int) -> None:
        """Write `manifest.json`: of which run, how many shards there are, and those that are scored."""
        entries = [asdict(done) for _, done in sorted(finished.items())]
        text = {"format": FORMAT, "run": run, "shards": shards, "scored": len(entries), "done": entries}
        self._files.write(MANIFEST, json.dumps(text, indent=1, ensure_ascii=False).encode())


def _done(path: str, text: bytes) -> Done:
    try:
        return Done(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise RankkitError(
            f"{path}: is damaged ({error}); delete it, and its shard is scored again"
        ) from None
