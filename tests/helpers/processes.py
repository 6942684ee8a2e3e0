"""A command in a process of its own, which a test may kill."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import TypeVar

S = TypeVar("S", bound="Running")


class Running:
    """The `process`, until `kill`, or until the block ends."""

    process: subprocess.Popen[str]

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
