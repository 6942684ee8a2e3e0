"""How much may still be asked: caps on requests and on tokens, checked before anything is sent."""

from __future__ import annotations

import threading

from rankkit import RunStopped


class Budget:
    """Counts requests (retries too) and tokens of one run. Thread-safe.

    A request is allowed only while the requests under way, each taken for as large as the largest seen, still
    fit into `max_tokens`; only the first ones, whose size nobody knows, can go past it.
    """

    def __init__(self, max_calls: int | None = None, max_tokens: int | None = None) -> None:
        self.max_calls, self.max_tokens = max_calls, max_tokens
        self.calls = self.tokens = self._open = self._largest = 0
        self._lock = threading.Lock()

    def claim(self) -> None:
        """Take one request out of the budget, or raise `RunStopped`."""
        with self._lock:
            if self.max_calls is not None and self.calls >= self.max_calls:
                raise RunStopped(
                    f"the budget is spent: max_calls={self.max_calls} requests were made; {NEXT}"
                )
            expected = self.tokens + (self._open + 1) * self._largest
            if self.max_tokens is not None and max(expected, self.tokens + 1) > self.max_tokens:
                used = (
                    f"{self.tokens} tokens were used, "
                    f"{self._open} requests are under way and the next may need {self._largest}"
                )
                raise RunStopped(f"the budget is spent: of max_tokens={self.max_tokens}, {used}; {NEXT}")
            self.calls += 1
            self._open += 1

    def settle(self, tokens: int) -> None:
        """A claimed request is over and has used so many tokens (0 where it failed)."""
        with self._lock:
            self._open -= 1
            self.tokens += tokens
            self._largest = max(self._largest, tokens)


NEXT = "what was judged is kept; give the same command again to go on, or raise the cap"
