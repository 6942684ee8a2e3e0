"""What is fuzzed: a reader, examples of what it reads, and how an example becomes an input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

from benchmarks.fuzz.mutate import changed
from rankkit.errors import RankkitError

Examples = Callable[[], Sequence[bytes]]


def unchanged_form(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Bytes changed anywhere."""
    return changed(rng, data, others)


@dataclass(frozen=True)
class Target:
    """`read` takes any bytes; it raises nothing but `typed` errors, and returns a word for the outcome.

    `weight`: its share of all inputs. `vary`: a changed example, packed again; half of the inputs are changed
    anywhere instead.
    """

    name: str
    read: Callable[[bytes], object]
    examples: Examples
    weight: int
    vary: Callable[[Random, bytes, Sequence[bytes]], bytes] = unchanged_form
    typed: tuple[type[BaseException], ...] = field(default=(RankkitError,))

    @cached_property
    def _examples(self) -> list[bytes]:
        return list(self.examples())

    def prepare(self) -> None:
        """Read every example, so that what is imported late is there."""
        for data in self._examples:
            with suppress(*self.typed):
                self.read(data)

    def make(self, rng: Random, kept: Sequence[bytes]) -> bytes:
        """An input, made of an example or of an input that had an outcome of its own."""
        data = rng.choice(kept) if kept and rng.random() < 0.5 else rng.choice(self._examples)
        if rng.random() < 0.5:
            return self.vary(rng, data, kept)
        return changed(rng, data, kept)
