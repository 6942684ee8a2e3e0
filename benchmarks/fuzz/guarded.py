"""Inputs in a process of their own, which may not write elsewhere, hang, or take much memory; that it dies is
a finding like any other.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import re
import resource
import signal
import struct
import sys
import tempfile
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from benchmarks.fuzz.mutate import LONGEST
from benchmarks.fuzz.target import Target

SECONDS = 20  # that one input may take
MEMORY = 2**30  # bytes of address space that reading may take beyond what the process has at its start
KEPT = 400  # inputs with an outcome of a new kind, from which others are made
WRITES = frozenset(
    {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
)
CALLS = frozenset({"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "os.fork"})


class Stopped(BaseException):
    """An input took too long, or did what no reader may do."""


@dataclass
class Block:
    """What a run of inputs came to. `findings`: what went wrong, and the input at which it did."""

    done: int = 0
    findings: list[tuple[str, bytes]] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)
    outcomes: set[str] = field(default_factory=set)
    mib: float = 0.0


def run_block(target: Target, seed: str, count: int, kept: Iterable[bytes] = ()) -> Block:
    """So many inputs in a child process; where it dies, the inputs until then and one finding."""
    shared = mmap.mmap(-1, 16 + 2 * LONGEST)
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=_child, args=(target, seed, count, list(kept), there, shared)
    )
    child.start()
    there.close()
    try:
        found: Block = here.recv()
    except EOFError:
        child.join()
        number, length = struct.unpack_from("<QQ", shared)
        code = child.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Block(number, [(f"the process ended with {how}", shared[16 : 16 + length])])
    child.join()
    return found


def _child(
    target: Target, seed: str, count: int, kept: list[bytes], out: Connection, shared: mmap.mmap
) -> None:
    with tempfile.TemporaryDirectory(prefix="rankkit-fuzz-") as place:
        os.chdir(place)
        os.environ["TMPDIR"] = place
        sys.stdout = sys.stderr = open(os.devnull, "w")
        target.prepare()
        before = _megabytes()
        watch = Watch(os.path.realpath(place))
        soft = _address_space() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (soft, soft))
        found = _read_all(target, seed, count, kept, shared, watch)
        watch.on = False
        found.mib = _megabytes() - before
        os.chdir("/")
    out.send(found)
    out.close()


def _read_all(
    target: Target, seed: str, count: int, kept: list[bytes], shared: mmap.mmap, watch: Watch
) -> Block:
    found = Block(kept=list(kept))
    for number in range(count):
        rng = Random(f"{seed}/{number}")
        data = target.make(rng, found.kept)[:LONGEST]
        struct.pack_into("<QQ", shared, 0, number + 1, len(data))
        shared[16 : 16 + len(data)] = data
        outcome, wrong = _read(target, data, watch)
        found.done += 1
        if wrong:
            found.findings.append((wrong, data))
        if outcome not in found.outcomes:
            found.outcomes.add(outcome)
            found.kept = [*found.kept[-KEPT:], data]
    return found


def _read(target: Target, data: bytes, watch: Watch) -> tuple[str, str]:
    """Of what kind the outcome was, and what went wrong."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    watch.on, wrong = True, ""
    try:
        outcome = target.read(data)
    except target.typed as error:
        outcome = _kind(error)
    except BaseException as error:
        outcome = wrong = _kind(error) + _where(error)
    finally:
        watch.on = False
        signal.setitimer(signal.ITIMER_REAL, 0)
    if watch.seen:
        wrong = "; ".join(watch.seen)
        watch.seen.clear()
    return str(outcome), wrong


class Watch:
    """Notes every write outside one folder, every program started and every connection made, while `on`."""

    def __init__(self, place: str) -> None:
        self.place, self.on = place, False
        self.seen: list[str] = []
        signal.signal(signal.SIGALRM, self._late)
        sys.addaudithook(self._hear)

    def _late(self, number: int, frame: FrameType | None) -> None:
        raise Stopped(f"not done after {SECONDS} seconds")

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in CALLS or (event in WRITES and self._outside(arguments[0])):
            self.seen.append(f"{event}{arguments!r}"[:200])
        elif event == "open":
            path, mode, flags = arguments
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else False
            if (writes or set(mode or "") & set("wax+")) and self._outside(path):
                self.seen.append(f"opened {path!r} to write"[:200])

    def _outside(self, path: Any) -> bool:
        if isinstance(path, int):
            return False
        return not f"{os.path.realpath(os.fsdecode(path))}/".startswith(f"{self.place}/")


def _kind(error: BaseException) -> str:
    """An error without what differs from input to input."""
    return f"{type(error).__name__}: {re.sub(r'[^a-zA-Z ]+|(?<=.{40}).*', '', str(error), flags=re.DOTALL)}"


def _where(error: BaseException) -> str:
    """The line that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno} ({frames[-1].name})" if frames else ""


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
