"""What every ranker elsewhere is, seen from here: what its other side says of it, opened and closed."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from rankkit.core.named import NamedImages
from rankkit.core.panel import Panel
from rankkit.core.rankers import shown
from rankkit.core.types import Group, Kind, Ranking
from rankkit.errors import BrokenRanker, RankkitError
from rankkit.remote.handshake import WorkerInfo
from rankkit.version import installed_version

Self = TypeVar("Self", bound="Remote")


class Remote:
    """What the two have in common.

    They say who they are, can be closed, and check that an answer fits its question.
    """

    place = "elsewhere"  # where it runs, in words

    def __init__(self, name: str, info: WorkerInfo, *, far: bool = False) -> None:
        """`far`: whether it runs on another machine."""
        self.name, self.info = name, info
        if info.rankkit != installed_version():
            warnings.warn(
                f"{name} runs rankkit {info.rankkit}, this is rankkit {installed_version()}; they agree on "
                f"the wire",
                stacklevel=3,
            )
        keys = ", ".join(each.key for each in self.metadata_images if each.key)
        if keys and far:
            warnings.warn(
                f"{name} opens the images that metadata names ({keys}) on its own machine: an image is "
                f"scored anew when the file at that path here changes, and not when only the one there does",
                stacklevel=3,
            )
        self._lock = threading.Lock()
        self._closed = False

    def __repr__(self) -> str:
        return shown(self.name, self.options, self.kind, self.place)

    @property
    def kind(self) -> Kind:
        """Whether it is pointwise, pairwise or listwise."""
        return self.info.kind

    @property
    def needs_prompt(self) -> bool:
        """Whether it cannot do without a prompt."""
        return self.info.needs_prompt

    @property
    def reads_metadata(self) -> bool:
        """Whether its scores may depend on the metadata of an image; True where it does not say."""
        return self.info.reads_metadata is not False

    @property
    def metadata_images(self) -> tuple[NamedImages, ...]:
        """The images that metadata names and it opens; those of every key where it does not say."""
        if self.info.metadata_images is not None:
            return tuple(NamedImages(*each) for each in self.info.metadata_images)
        folder = self.info.options.get("folder")
        return (NamedImages("", folder if isinstance(folder, str) else ""),)

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

    def absence(self) -> str:
        """Why it does not answer now, in words; empty when it is there and can rank.

        Raises `BrokenRanker` where another ranker, or another version of it, has taken its place.
        """
        with self._lock:
            return self._absence()

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

    def _absence(self) -> str:
        raise NotImplementedError

    def _check_same(self, now: WorkerInfo) -> None:
        """Raise `BrokenRanker` where what answers is not what answered at first."""
        before = self.info
        if (now.name, now.version, now.options) != (before.name, before.version, before.options):
            was, answers = (f"{each.name} {each.version} {dict(each.options)}" for each in (before, now))
            raise BrokenRanker(f"{self.name} was {was} and is {answers} now; start anew")


def absence(ranker: object) -> str | None:
    """Why a ranker that runs elsewhere, or a part of a panel that does, does not answer now.

    Empty when all of them are there, None where none runs elsewhere. Raises as `Remote.absence`.
    """
    if isinstance(ranker, Remote):
        return ranker.absence()
    parts = ranker.parts if isinstance(ranker, Panel) else ()
    found = [reason for reason in map(absence, parts) if reason is not None]
    return next(filter(None, found), "") if found else None
