"""Memory that was freed stays with the process, for its next image."""

from __future__ import annotations

import os
import sys

KEPT = 2**28  # bytes: of blocks up to this size, and of what is free at the end of the heap


def keep_freed_memory() -> None:
    """Let the C library keep what was freed, up to 256 MiB, in place of giving it back at once.

    glibc asks the system for each block of more than some megabytes and returns it when it is freed; the
    system clears its pages every time. For the arrays of one image after the other, and the activations of
    one batch after the other on a CPU, that is a large part of all the time. For programs: it holds for the
    whole process. Nothing is changed where the environment says how memory is to be handled (``MALLOC_…``,
    ``GLIBC_TUNABLES``), nor with another C library.
    """
    told = "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform != "linux" or told or any(name.startswith("MALLOC_") for name in os.environ):
        return
    import ctypes  # late: it is not quick

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # musl has none
        trim, mmap = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
        library.mallopt(trim, KEPT)
        library.mallopt(mmap, KEPT)
