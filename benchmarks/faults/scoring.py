"""SIGKILL to what scores: the program, its processes, a worker behind a pipe, a server, a Ray worker."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.processes import RANKKIT, below, kill, served, start
from benchmarks.score.images import jpegs

RANKERS = '''
import time, rankkit

@rankkit.pointwise
def slow(image):
    """The first pixel, after 2 ms."""
    time.sleep(0.002)
    return sum(image.getpixel((0, 0)))

class Darker:
    """How many images of the group are darker."""
    def rank(self, groups):
        values = [[sum(image.getpixel((0, 0))) for image in group.images] for group in groups]
        return [rankkit.Ranking(tuple(float(sum(b < a for b in each)) for a in each)) for each in values]
'''
IN_A_ROW = 3  # times that one run is killed before it is left to end
KILLED = -1  # in place of a process id: it has been killed already
SCORE = (*RANKKIT, "score", "in", "-o", "out.jsonl")
Victim = Callable[[int, random.Random], int | None]  # of the run's process id: whom to kill


def scorer(times: int, seed: int) -> dict[str, Any]:
    """The program itself."""
    with folder() as place:
        command = [*SCORE, "-r", "slowly:slow", "-r", "slowly:Darker", "-r", "contrast+saturation*2"]
        return kills(place, command, times, seed, lambda pid, rng: pid)


def workers(times: int, seed: int) -> dict[str, Any]:
    """One of the processes of `--workers 2`."""
    with folder() as place:
        command = [*SCORE, "-r", "slowly:slow", "--workers", "2"]
        return kills(place, command, times, seed, _one_of(r"multiprocessing\."))


def forks(times: int, seed: int) -> dict[str, Any]:
    """One of the processes of `--workers 2` that fork from the program, as for rankkit's own rankers."""
    with folder() as place:
        command = [*SCORE, "-r", "sharpness", "-r", "colorfulness+prompt-color", "--workers", "2"]
        return kills(place, command, times, seed, _one_of(r"\bscore\b"))


def pipe(times: int, seed: int) -> dict[str, Any]:
    """The worker of a ranker in another environment."""
    with folder() as place:
        worker = [sys.executable, "-m", "rankkit.serving.pipe", "slowly:slow"]
        (place / "rankkit.toml").write_text(f"[rankers.elsewhere]\ncommand = {worker!r}\n")
        command = [*SCORE, "-r", "elsewhere"]
        return kills(
            place, command, times, seed, _one_of(r"rankkit\.serving\.pipe"), RANKKIT_CONFIG="rankkit.toml"
        )


def server(times: int, seed: int) -> dict[str, Any]:
    """`rankkit serve`, which is started again at once."""
    with folder() as place, contextlib.ExitStack() as stack:
        serve = (*RANKKIT, "serve", "slowly:slow", "--port")
        now, url = stack.enter_context(served((*serve, "0"), place, " at "))
        port = url.rpartition(":")[2]

        def killed_and_started_again(pid: int, rng: random.Random) -> int | None:
            nonlocal now
            kill(now.pid)
            now.wait()
            now, _ = stack.enter_context(served((*serve, port), place, " at "))
            return KILLED

        return kills(place, [*SCORE, "-r", url], times, seed, killed_and_started_again)


def ray(times: int, seed: int) -> dict[str, Any]:
    """A Ray worker, in one program that scores again and again on one cluster."""
    from rankkit.io.prompts import survey
    from rankkit.registry.load import prepare
    from rankkit.scoring import engine
    from rankkit.scoring.ray.chunks import OnRay

    rng, counts = random.Random(seed), Counter[str]()
    before = Path.cwd()
    with folder() as place:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(place), os.environ.get("PYTHONPATH"))))
        sys.path.insert(0, str(place))
        os.chdir(place)

        def score(output: str) -> float:
            begun = time.perf_counter()
            engine.score(survey(["in"]), [prepare("slowly:slow")], Path(output), engine=OnRay())
            return time.perf_counter() - begun

        score("first.jsonl")  # the cluster starts
        seconds = score("whole.jsonl")
        whole = Path("whole.jsonl").read_bytes()
        while counts["kills"] < times:
            for left in Path().glob("out.jsonl*"):
                left.unlink()

            def hit() -> None:
                victims = below(os.getpid(), r"^ray::(?!.*Agent)")
                counts["kills"] += kill(rng.choice(victims) if victims else None)

            timer = threading.Timer(rng.uniform(0, seconds), hit)
            timer.start()
            for attempt in range(5):
                try:
                    score("out.jsonl")
                    counts["went on by themselves"] += attempt == 0
                    break
                except Exception as error:  # whatever Ray raises
                    counts[f"ended: {type(error).__name__}"] += 1
            timer.join()
            counts["runs"] += 1
            counts["equal"] += Path("out.jsonl").read_bytes() == whole
        os.chdir(before)
    return {"rows": whole.count(b"\n"), "seconds of an uninterrupted run": round(seconds, 2), **counts}


def kills(
    place: Path, command: Sequence[str], times: int, seed: int, victim: Victim, **environment: str
) -> dict[str, Any]:
    """Runs whose victim is killed at random moments, up to three times each, and which are then left to end;
    their files against that of an uninterrupted run.
    """
    rng, counts = random.Random(seed), Counter[str]()
    output = place / "out.jsonl"
    begun = time.perf_counter()
    assert start(command, place, **environment).wait() == 0, "the run does not work without being killed"
    seconds, whole = time.perf_counter() - begun, output.read_bytes()
    while counts["kills"] < times:
        for left in place.glob("out.jsonl*"):
            left.unlink()
        for _ in range(min(IN_A_ROW, times - counts["kills"])):
            running = start(command, place, **environment)
            time.sleep(rng.uniform(0, seconds))
            if running.poll() is None:
                found = victim(running.pid, rng)
                counts["kills"] += found == KILLED or kill(found)
            if running.wait() == 0:
                counts["went on by themselves"] += 1
                break
        for _ in range(5):
            if start(command, place, **environment).wait() == 0:
                break
        counts["runs"] += 1
        counts["equal"] += output.read_bytes() == whole
    return {"rows": whole.count(b"\n"), "seconds of an uninterrupted run": round(seconds, 2), **counts}


def _one_of(pattern: str) -> Victim:
    """One of the processes that a run started whose command line matches."""

    def victim(pid: int, rng: random.Random) -> int | None:
        found = below(pid, pattern)
        return rng.choice(found) if found else None

    return victim


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder with 320 images in 8 groups, and the rankers above."""
    with tempfile.TemporaryDirectory(prefix="rankkit-faults-") as name:
        place = Path(name)
        for group in range(8):
            jpegs(place / "in" / f"{group:02}", 40, side=32, seed=group)
            (place / "in" / f"{group:02}" / "prompt.txt").write_text(f"a blue number {group}")
        (place / "slowly.py").write_text(RANKERS)
        yield place
