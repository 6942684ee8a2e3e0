"""What every ranker elsewhere is, seen from here: what its other side says of it, opened and closed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from rankkit.core.types import Group, Kind, Ranking
from rankkit.core.version import installed_version
from rankkit.errors import RankkitError
from rankkit.remote.handshake import WorkerInfo

Self = TypeVar("Self", bound="Remote")


class Remote:
    """What the two have in common.

    They say who they are, can be closed, and check that an answer fits its question.
    """

    def __init__(self, name: str, info: WorkerInfo) -> None:
        self.name, self.info = name, info
        if info.rankkit != installed_version():
            warnings.warn(
                f"{name} runs rankkit {info.rankkit}, this is rankkit {installed_version()}; they agree on "
                f"the wire",
                stacklevel=3,
            )
        self._lock = threading.Lock()
        self._closed = False

    @property
    def kind(self) -> Kind:
        """Whether it is pointwise, pairwise or listwise."""
        return self.info.kind

    @property
    def needs_prompt(self) -> bool:
        """Whether it cannot do without a prompt."""
        return self.info.needs_prompt

    @property
    def version(self) -> str:
        """The ranker's version, as rows state it."""
        return self.info.version

    @property
    def options(self) -> Mapping[str, Any]:
        """The ranker's options, as rows state them."""
        return self.info.options

    def open(self: Self) -> Self:
        """Make sure that it is built and can rank; called by `rankkit.load`.

        Raises whatever building it raises there.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Be done with it: it ranks no more until it is opened again."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """One ranking per group.

        Raises `BrokenRanker` where the ranker raised; abstains where nobody is there any more.
        """
        with self._lock:
            if self._closed:
                raise RankkitError(f"{self.name} was closed; open it again, or load it anew")
            return self._rank(list(groups)) if groups else []

    def _rank(self, groups: list[Group]) -> list[Ranking]:
        raise NotImplementedError
