"""What scoring very many images takes, by arithmetic on measured rows and a few stated assumptions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rankkit.core.types import Identity
from rankkit.io.formats import to_json
from rankkit.io.rows import row
from rankkit.scoring.shards.folder import Done
from rankkit.scoring.shards.one import DIGEST

RESULTS = Path(__file__).parents[1] / "results"
Row = dict[str, Any]


@dataclass(frozen=True)
class Assumptions:
    """What was not measured here."""

    images: int = 1_000_000_000
    shard: int = 10_000  # images of one
    dollars: float = 3.5  # of an H200 for an hour
    gpus: int = 64
    hours_between_failures: float = 1000.0  # of one GPU with its worker and node
    restart: float = 300.0  # seconds until a lost worker scores again: scheduling, weights


@dataclass(frozen=True)
class Rate:
    """Images a second that one GPU was measured to score by a ranker, all of its own preparation included."""

    ranker: str
    dtype: str
    images: float
    origin: str


@dataclass(frozen=True)
class Cost:
    """What one ranker takes."""

    rate: Rate
    gpu_hours: float
    days: float  # on all GPUs
    dollars: float
    shard_seconds: float
    failures: float
    lost_share: float  # of the GPU hours, by failures
    read: float  # MB that one GPU reads in a second
    cores: float  # that decode for one GPU


def rows_of(file: str, benchmark: str) -> list[Row]:
    """The rows of a benchmark, the latest last."""
    lines = (RESULTS / f"{file}.jsonl").read_text("utf-8").splitlines()
    return [each for each in map(json.loads, lines) if each.get("benchmark") == benchmark]


def rates() -> list[Rate]:
    """The latest rate of each ranker and dtype on a GPU."""
    found: dict[tuple[str, str], Rate] = {}
    for each in rows_of("gpu", "gpu-score"):
        origin = f"`{each['command']}`, {each['date']}, {each['gpu']}"
        for line in each["rows"]:
            rate = line.get("images per second", line.get("pictures per second"))
            found[line["ranker"], line["dtype"]] = Rate(line["ranker"], line["dtype"], rate, origin)
    return list(found.values())


def image_bytes() -> float:
    """Bytes of a JPEG of 512 × 512, as those that are scored in `benchmarks.score resume`."""
    return float(1024 * rows_of("score", "resume")[-1]["KiB an image"])


def core_seconds() -> float:
    """Seconds in which `benchmarks.score resume` reads, decodes, scores by `sharpness` and writes one image:
    more than decoding alone takes a core.
    """
    latest = rows_of("score", "resume")[-1]
    return float(latest["seconds"]["first"]["median"] / latest["images"])


def row_bytes() -> int:
    """Bytes of a typical row of a learned ranker in jsonl."""
    identity = Identity("clip", "0.1.0+ViT-L-14-quickgelu", {"dtype": "bfloat16"})
    found = row(
        identity,
        group="s3://bucket/set/a-red-fox-jumping-over-a-frozen-river-at-dusk-0a1b2c3d",
        prompt="a red fox jumping over a frozen river at dusk, photograph",
        image="s3://bucket/set/00012345.tar/000001234.jpg",
        sha256="0" * 64,
        kind="pointwise",
        score=0.2731234312057495,
        rank=1.0,
        of=1,
        details={"prompt_source": "a webdataset archive"},
    )
    return len(to_json(found).encode()) + 1


def bookkeeping(given: Assumptions) -> tuple[float, float]:
    """MB of the manifest, and GB of the digests of groups where every image has a prompt of its own."""
    done = Done("s3://bucket/set/00012345.tar", "00012345.tar-0a1b2c3d4e5f.jsonl", "e" * 48, "r" * 16,
                given.shard, given.shard, given.shard, 0, given.shard * row_bytes(), "0" * 64)  # fmt: skip
    shards = given.images / given.shard
    return shards * len(json.dumps(asdict(done), indent=1)) / 1e6, given.images * DIGEST / 1e9


def cost(rate: Rate, given: Assumptions) -> Cost:
    """What all images take by one ranker."""
    hours = given.images / rate.images / 3600
    failures = hours / given.hours_between_failures
    shard = given.shard / rate.images
    lost = failures * (shard / 2 + given.restart) / 3600
    return Cost(
        rate,
        hours,
        (hours + lost) / given.gpus / 24,
        (hours + lost) * given.dollars,
        shard,
        failures,
        lost / hours,
        rate.images * image_bytes() / 1e6,
        rate.images * core_seconds(),
    )
