"""How much may be under way at once: requests, and the bytes they hold. What does not fit comes again.

A request counts once its body is here, and its body holds what has come of it: who announces one and never
sends it takes nothing from the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rankkit.serving.access import Refused


class Room:
    """Counts what is under way; used by one thread.

    `requests`: how many there may be. `size`: how many bytes they may hold together.
    """

    def __init__(self, requests: int, size: int) -> None:
        self._most, self._size = requests, size
        self.requests, self.held = 0, 0

    def check(self, size: int) -> None:
        """Raise `Refused` where there is no room for one more request of so many bytes."""
        self._check(self.requests + 1, self.held + size)

    @contextmanager
    def holding(self) -> Iterator[Holding]:
        """What one request holds, until it is answered."""
        holding = Holding(self)
        try:
            yield holding
        finally:
            self.held -= holding.size

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Count a request whose body is here, until it is answered. Raises `Refused` for one too many."""
        self._check(self.requests + 1, self.held)
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    def grow(self, more: int) -> None:
        """Hold so many bytes more. Raises `Refused` where that would be too many."""
        self._check(self.requests, self.held + more)
        self.held += more

    def _check(self, requests: int, held: int) -> None:
        if requests > self._most or held > self._size:
            raise Refused(
                429, f"{self.requests} requests are waiting already; try again", {"retry-after": "1"}
            )


class Holding:
    """The bytes that one request holds."""

    def __init__(self, room: Room) -> None:
        self._room, self.size = room, 0

    def reach(self, size: int) -> None:
        """Come to hold so many bytes, if it holds fewer. Raises `Refused` where there is no room for them."""
        more = max(0, size - self.size)
        self._room.grow(more)
        self.size += more
