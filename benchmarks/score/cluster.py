"""`--engine ray`: two workers against one and against none, and the memory of the program that leads them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.record import ratio, spread
from benchmarks.score.images import jpegs
from benchmarks.score.pools import MODEL
from benchmarks.score.processes import environment, run

COMMAND = [sys.executable, "-m", "rankkit", "score"]
HELD = 1000  # images of an archive in `memory`
MARK = b"ARCHIVE"  # stands for the number of the archive in its prompts


def workers(rounds: int = 3, count: int = 12_000, ranker: str = "sharpness") -> dict[str, Any]:
    """A ranker over JPEGs of 512 × 512 in 20 archives: by Ray with two workers and with one, in one and in
    two processes without it, in turn; and what Ray takes for a single image, which is its start and end.
    """
    ways = {
        "Ray, 2 workers": ["--engine", "ray", "--workers", "2", "-o", "out/"],
        "Ray, 1 worker": ["--engine", "ray", "--workers", "1", "-o", "out/"],
        "here, 1 process": ["--workers", "1", "-o", "out.jsonl"],
        "here, 2 processes": ["--workers", "2", "-o", "out.jsonl"],
    }
    times: dict[str, list[float]] = {name: [] for name in [*ways, "Ray, one image"]}
    with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
        place = Path(name)
        _archives(place, count)
        one = [*COMMAND, "one", "-r", ranker, *ways["Ray, 1 worker"], "--overwrite"]
        for _ in range(rounds):
            for way, options in ways.items():
                command = [*COMMAND, "in", "-r", ranker, *options, "--overwrite"]
                times[way].append(run(command, place)[0])
            times["Ray, one image"].append(run(one, place)[0])
    start = min(times["Ray, one image"])
    net = {way: [max(seconds - start, 0.01) for seconds in times[way]] for way in ways if "Ray" in way}
    return {
        "images": count,
        "seconds": {way: spread(each) for way, each in times.items()},
        "two workers": ratio(times["Ray, 1 worker"], times["Ray, 2 workers"]),
        "two workers, without start": ratio(net["Ray, 1 worker"], net["Ray, 2 workers"]),
        "Ray to here, both with two": ratio(times["Ray, 2 workers"], times["here, 2 processes"]),
    }


def model_workers(rounds: int = 3, count: int = 8_000) -> dict[str, Any]:
    """`workers` with a model that has a device of its own for each: it takes 5 ms an image and no core."""
    return workers(rounds, count, MODEL)


def pools(rounds: int = 3, count: int = 600) -> dict[str, Any]:
    """A plain folder by a model on a GPU (`benchmarks.score.pools`), by `sharpness`, and by both, in turn."""
    command = [sys.executable, "-m", "benchmarks.score.pools", str(rounds), str(count)]
    patient = environment() | {"RAY_raylet_start_wait_time_s": "200"}  # beside other work
    done = subprocess.run(command, env=patient, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    times = found["seconds"]
    apart = [sum(each) for each in zip(times["the model"], times["`sharpness`"], strict=True)]
    return {
        "images": count,
        "seconds": {way: spread(each) for way, each in times.items()},
        "one after the other": ratio(apart, times["both"]),
        "rows as of a local run": found["equal"],
    }


def leader(sizes: Sequence[int] = (10_000, 100_000, 1_000_000)) -> dict[str, Any]:
    """As `memory`, with workers that make their answers up (`benchmarks.score.leader`)."""
    peaks: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as place:
            command = [sys.executable, "-m", "benchmarks.score.leader", str(count), place]
            start = time.perf_counter()
            done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
            peaks[str(count)] = float(done.stdout)
            seconds[str(count)] = round(time.perf_counter() - start, 1)
    first, *_, last = peaks.values()
    return {"MiB": peaks, "seconds": seconds, "ratio": round(last / first, 3)}


def memory(sizes: Sequence[int] = (10_000, 100_000)) -> dict[str, Any]:
    """The MiB that the leading program has at most, of archives of a thousand tiny images that have a prompt
    each; the workers are not counted. One run for each size.
    """
    peaks: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for count in sizes:
        with tempfile.TemporaryDirectory(prefix="rankkit-benchmark-") as name:
            place = Path(name)
            template = _template()
            (place / "in").mkdir()
            for number in range(count // HELD):
                data = template.replace(MARK, b"%0*d" % (len(MARK), number))
                (place / "in" / f"{number:05}.tar").write_bytes(data)
            command = [*COMMAND, "in", "-r", "contrast", "--engine", "ray", "-o", "out/"]
            start = time.perf_counter()
            peaks[str(count)] = _leader(command, place)
            seconds[str(count)] = round(time.perf_counter() - start, 1)
            print(f"{count} images: {peaks[str(count)]} MiB, {seconds[str(count)]} s", file=sys.stderr)
    first, *_, last = peaks.values()
    return {"MiB": peaks, "seconds": seconds, "ratio": round(last / first, 3)}


def _leader(command: Sequence[str], place: Path) -> float:
    """The most MiB that the process itself had in memory, while it ran."""
    running = subprocess.Popen(
        command, cwd=place, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    most = 0
    while running.poll() is None:
        status = Path(f"/proc/{running.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        most = max(most, *map(int, found)) if found else most
        time.sleep(0.1)
    if running.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {running.returncode}")
    return round(most / 1024, 1)


def _archives(place: Path, count: int) -> None:
    jpegs(place / "images", count)
    for folder in ("in", "one"):
        (place / folder).mkdir()
    paths = sorted((place / "images").iterdir())
    for number in range(20):
        with tarfile.open(place / "in" / f"{number:02}.tar", "w") as archive:
            for path in paths[number::20]:
                archive.add(path, path.name)
    with tarfile.open(place / "one" / "0.tar", "w") as archive:
        archive.add(paths[0], paths[0].name)


def _template() -> bytes:
    """An archive of tiny images with a prompt each, in which `MARK` stands for its number."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(HELD):
            image = io.BytesIO()
            Image.new("RGB", (8, 8), (number % 256, number // 256, 9)).save(image, "PNG")
            for suffix, data in (("png", image.getvalue()), ("txt", b"a fox %d of %s" % (number, MARK))):
                info = tarfile.TarInfo(f"{number:04}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
