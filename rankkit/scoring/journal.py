"""What a run has scored so far, beside its output.

One JSON line per row, written as scores come, read back after a kill.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import try_lock
from rankkit.io.formats import START, from_json
from rankkit.io.rows import Row

MARK = b'{"overwrite": '  # begins the line before the rows of a run that drops what the output holds


class Journal:
    """An append-only file of rows.

    Entering it locks it against a second run and cuts a torn last line off.
    """

    def __init__(self, output: Path) -> None:
        self.path = Path(f"{output}.journal")
        self.written = 0
        self._mark = b""

    def __enter__(self) -> Journal:
        self._file = self._locked()
        try:
            self._check_ours()
            self._size = self._repair()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:  # the lock is held until it is gone
            if kind is None or self._size == 0:
                self.path.unlink(missing_ok=True)  # its rows are in the output now, or there are none

    def rows(self) -> Iterator[Row]:
        """The rows that an earlier run left behind."""
        with open(self.path, "rb") as file:
            for line in file:
                if line.startswith(MARK):
                    continue
                try:
                    yield from_json(line)
                except ValueError as error:
                    raise RankkitError(
                        f"{self.path}: damaged ({error}); delete it, and what it held is scored anew"
                    ) from None

    def overwrite(self, run: str) -> None:
        """Drop what an earlier run left behind, unless it was this very one, which had begun to overwrite.

        `run` tells one from another; it stands before the rows.
        """
        self._mark = MARK + json.dumps(run).encode() + b"}\n"
        self._file.seek(0)
        if self._file.readline() != self._mark:
            self._file.truncate(0)
            self._size = 0

    def append(self, lines: Sequence[str]) -> None:
        """Add rows, each a line of JSON; they survive a kill from here on.

        A full disk stops the run with everything before kept.
        """
        data = "".join(line + "\n" for line in lines).encode()
        if not self._size:
            data = self._mark + data
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._cut(self._size)
            raise RankkitError(
                f"{self.path}: {error.strerror or error}; the {self.written} scores of this run so far are "
                f"kept there: "
                "make room and give the same command again"
            ) from None
        self._size += len(data)
        self.written += len(lines)

    def _locked(self) -> BinaryIO:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = open(self.path, "a+b", buffering=0)
        except OSError as error:
            raise RankkitError(
                f"{self.path}: cannot be written: {error.strerror}; give -o a place that can"
            ) from None
        if not try_lock(file):
            file.close()
            raise RankkitError(f"{self.path}: another run is writing to it; wait for it, or give another -o")
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # the run that held it ended, and took it away, between the opening and the locking
        return self._locked()

    def _check_ours(self) -> None:
        """Refuse a file of this name that holds something else than rows."""
        self._file.seek(0)
        start = self._file.read(max(len(START), len(MARK)))
        if not any(start.startswith(known[: len(start)]) for known in (START, MARK)):
            raise UsageError(
                f"{self.path}: is no journal of rankkit and is left as it is; move it, or give another -o"
            )

    def _repair(self) -> int:
        """Cut off what follows the last line break: a write that a kill interrupted."""
        self._file.seek(0)
        end = size = 0
        while block := self._file.read(2**20):
            cut = block.rfind(b"\n")
            end = size + cut + 1 if cut >= 0 else end
            size += len(block)
        if end < size:
            self._cut(end)
        return end

    def _cut(self, size: int) -> None:
        with contextlib.suppress(OSError):  # what stays torn, the next run repairs
            os.truncate(self.path, size)
