"""How much may still be asked: caps on requests, tokens and money, checked before anything is sent."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from rankkit import RunStopped

NEXT = "what was judged is kept; give the same command again to go on, or raise the cap"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request: read, written, and those of which only the sum is known."""

    read: int = 0
    written: int = 0
    either: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.read + self.written + self.either


@dataclass(frozen=True, slots=True)
class Caps:
    """What one run may use, None for no limit; prices are per million tokens, read and written."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0

    def cost(self, usage: Usage) -> float:
        """What tokens cost, in the currency of the prices; the dearer price where it is not known which."""
        dearer = max(self.price_in, self.price_out)
        parts = ((usage.read, self.price_in), (usage.written, self.price_out), (usage.either, dearer))
        return sum(tokens * price for tokens, price in parts) / MILLION


class Budget:
    """Counts requests (retries too), tokens and money of one run. Thread-safe.

    A request is allowed only while the requests under way, each taken for as large as the largest seen, still
    fit into the caps; only the first ones, whose size nobody knows, can go past them.
    """

    def __init__(self, caps: Caps | None = None) -> None:
        self.caps = caps or Caps()
        self.calls = self.tokens = self._open = 0
        self.cost = self._dearest = 0.0
        self._largest = 0
        self._untold = False
        self._lock = threading.Lock()

    def claim(self) -> None:
        """Take one request out of the budget, or raise `RunStopped`."""
        caps = self.caps
        with self._lock:
            if caps.max_calls is not None and self.calls >= caps.max_calls:
                raise RunStopped(
                    f"the budget is spent: max_calls={caps.max_calls} requests were made; {NEXT}"
                )
            self._check("max_tokens", caps.max_tokens, self.tokens, self._largest, "tokens were")
            self._check("max_cost", caps.max_cost, self.cost, self._dearest, "was")
            self.calls += 1
            self._open += 1

    def _check(self, name: str, cap: float | None, used: float, largest: float, unit: str) -> None:
        if cap is None:
            return
        if self._untold:
            raise RunStopped(
                f"{name}={cap:g} cannot be kept: the server does not say how many tokens a request used; "
                "leave it out, or cap the requests with max_calls="
            )
        if used + (self._open + 1) * largest > cap or used >= cap:
            raise RunStopped(
                f"the budget is spent: of {name}={cap:g}, {used:.6g} {unit} used, "
                f"{self._open} requests are under way and the next may need {largest:.6g}; {NEXT}"
            )

    def settle(self, usage: Usage | None) -> None:
        """A claimed request is over and has used so much; None where the server does not say."""
        with self._lock:
            self._open -= 1
            self._untold = self._untold or usage is None
            usage = usage or Usage()
            self.tokens += usage.tokens
            self.cost += self.caps.cost(usage)
            self._largest = max(self._largest, usage.tokens)
            self._dearest = max(self._dearest, self.caps.cost(usage))
