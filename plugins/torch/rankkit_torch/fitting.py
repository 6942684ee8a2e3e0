"""Memory that runs out: a smaller batch where that helps, else one clear error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from rankkit.errors import DeviceFull

T = TypeVar("T")
R = TypeVar("R")

# as PyTorch's allocators say it: for the CPU (Linux, Windows), Apple's GPU, and cuBLAS
SIGNS = ("can't allocate memory", "not enough memory", "out of memory", "cublas_status_alloc_failed")


class Fitting:
    """Runs a model on as many things at once as its device has memory for.

    Where memory runs out the batch is halved, which is said once on stderr; later ones are no larger.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.most: int | None = None
        self._said = False

    def __call__(self, run: Callable[[Sequence[T]], R], items: Sequence[T], what: str = "images") -> list[R]:
        """What `run` answers to the items in pieces of them; to all at once where they fit.

        Raises `DeviceFull` where a single one does not.
        """
        found: list[R] = []
        done = 0
        while done < len(items):
            piece = items[done : done + (self.most or len(items))]
            try:
                with memory(self.device, f"{len(piece)} {what}"):
                    found.append(run(piece))
                done += len(piece)
            except DeviceFull as full:
                if len(piece) == 1:
                    raise
                self.most = len(piece) // 2
                self._say(str(full).split(";")[0], what)
        return found

    def _say(self, reason: str, what: str) -> None:
        if not self._said:
            from rankkit.plugin import say

            say(f"{reason}: going on with {self.most} {what} at once, or fewer (batch_size={self.most})")
        self._said = True


@contextlib.contextmanager
def memory(device: torch.device, what: str) -> Iterator[None]:
    """Within it, running out of memory is a `DeviceFull` that says what is free and what to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not _out_of_memory(error):
            raise
    else:
        return
    free = ""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        left, total = torch.cuda.mem_get_info(device)
        free = f" ({left / 2**30:.1f} of {total / 2**30:.1f} GiB are free)"
    raise DeviceFull(
        f"no free memory on {device} for {what}{free}; give a smaller batch_size, dtype=bfloat16, "
        "another device, or device=cpu"
    )


def _out_of_memory(error: Exception) -> bool:
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(sign in str(error).lower() for sign in SIGNS)
