"""The folder, here or at a URL, in which a run leaves a file of rows for each shard, and `manifest.json`.

`done/KEY.json` says that a shard is scored, and how; it is written after the rows. `manifest.json` holds all
of these, and is written anew whenever a run ends, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import replacing_file, try_lock
from rankkit.io.urls import MANIFEST, file_system, is_url

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
        self.place, self.remote = place.rstrip("/") or "/", is_url(place)
        self.suffix = ".parquet" if self.place.lower().endswith(".parquet") else ".jsonl"
        if self.remote:
            self._fs, self._top = file_system(self.place)
        else:
            self._top = self.place

    def __enter__(self) -> ShardFolder:
        if self.remote:
            return self
        if os.path.exists(self._top) and not os.path.isdir(self._top):
            raise UsageError(f"{self.place}: is a file, not a folder; give another -o")
        with self._writing():
            os.makedirs(f"{self._top}/done", exist_ok=True)
            self._lock = open(f"{self._top}/done/.lock", "ab")
        if not try_lock(self._lock):
            self._lock.close()
            raise RankkitError(f"{self.place}: another run is writing to it; wait for it, or give another -o")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.remote:
            self._lock.close()

    def finished(self) -> dict[str, Done]:
        """The shards that are scored, by key."""
        if self.remote:
            with contextlib.suppress(FileNotFoundError):
                names = self._fs.glob(f"{self._top}/done/*.json")
                texts = self._fs.cat(names) if names else {}
                return {_stem(path): _done(path, text) for path, text in texts.items()}
            return {}
        paths = sorted(Path(self._top, "done").glob("*.json"))
        return {path.stem: _done(str(path), path.read_bytes()) for path in paths}

    def finish(self, key: str, done: Done, groups: bytes) -> None:
        """Keep that a shard is scored, and the digests of its groups."""
        self._write(f"done/{key}.groups", groups)
        self._write(f"done/{key}.json", json.dumps(asdict(done)).encode())

    def groups(self, key: str) -> bytes:
        """The digests of a finished shard's groups."""
        if self.remote:
            return bytes(self._fs.cat_file(f"{self._top}/done/{key}.groups"))
        return Path(self._top, "done", f"{key}.groups").read_bytes()

    def has_rows(self, done: Done) -> bool:
        """Whether the rows of a finished shard are there, as long as they were."""
        path = f"{self._top}/{done.rows}"
        try:
            size = self._fs.size(path) if self.remote else os.path.getsize(path)
        except OSError:
            return False
        return bool(size == done.bytes)

    @contextlib.contextmanager
    def rows(self, name: str) -> Iterator[Path]:
        """The path of a file of rows, to be read or written; at a URL it is sent there when the block ends
        well and it has changed.
        """
        if not self.remote:
            yield Path(self._top, name)
            return
        with TemporaryDirectory(prefix="rankkit-rows-") as folder:
            path, there = Path(folder, name), f"{self._top}/{name}"
            with contextlib.suppress(FileNotFoundError):
                self._fs.get_file(there, str(path))
            before = path.stat().st_mtime_ns if path.exists() else None
            yield path
            if path.exists() and path.stat().st_mtime_ns != before:
                with self._writing():
                    self._fs.makedirs(self._top, exist_ok=True)
                    self._fs.put_file(str(path), there)

    def forget(self, key: str, done: Done) -> None:
        """Drop a shard: its rows, and that it was scored."""
        for name in (f"done/{key}.json", f"done/{key}.groups", done.rows):
            with contextlib.suppress(OSError):
                self._fs.rm_file(f"{self._top}/{name}") if self.remote else os.unlink(f"{self._top}/{name}")

    def write_manifest(self, run: dict[str, Any], finished: dict[str, Done], shards: int) -> None:
        """Write `manifest.json`: of which run, how many shards there are, and those that are scored."""
        entries = [asdict(done) for _, done in sorted(finished.items())]
        text = {"format": FORMAT, "run": run, "shards": shards, "scored": len(entries), "done": entries}
        self._write(MANIFEST, json.dumps(text, indent=1, ensure_ascii=False).encode())

    def _write(self, name: str, data: bytes) -> None:
        with self._writing():
            if self.remote:
                self._fs.makedirs(f"{self._top}/done", exist_ok=True)
                self._fs.pipe_file(f"{self._top}/{name}", data)
                return
            with replacing_file(f"{self._top}/{name}") as part:
                part.write_bytes(data)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except RankkitError:
            raise
        except Exception as error:  # each file system has errors of its own
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            raise RankkitError(
                f"{self.place}: cannot be written: {reason}; shards that are scored are kept: make it "
                "writable, or make room, and give the same command again"
            ) from None


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _done(path: str, text: bytes) -> Done:
    try:
        return Done(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise RankkitError(
            f"{path}: is damaged ({error}); delete it, and its shard is scored again"
        ) from None
