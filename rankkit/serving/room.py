"""How much may be under way at once: requests, and the bytes they hold. What does not fit comes again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rankkit.serving.access import Refused


class Room:
    """Counts what is under way; used by one thread.

    `requests`: how many there may be. `size`: how many bytes they may hold together.
    """

    def __init__(self, requests: int, size: int) -> None:
        self._most, self._size = requests, size
        self.requests, self.held = 0, 0

    @contextmanager
    def admit(self, size: int) -> Iterator[Callable[[int], None]]:
        """Count a request of so many bytes; what is yielded says that it has come to hold so many, if more.

        Raises `Refused` where that would be too many.
        """
        self._check(self.requests + 1, self.held + size)
        held = size
        self.requests, self.held = self.requests + 1, self.held + size

        def hold(more: int) -> None:
            nonlocal held
            extra = max(0, more - held)
            self._check(self.requests, self.held + extra)
            self.held, held = self.held + extra, held + extra

        try:
            yield hold
        finally:
            self.requests, self.held = self.requests - 1, self.held - held

    def _check(self, requests: int, held: int) -> None:
        if requests > self._most or held > self._size:
            raise Refused(
                429, f"{self.requests} requests are waiting already; try again", {"retry-after": "1"}
            )
