"""Archives and parquet files of small images, and runs over them in this process, without Ray."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from rankkit.io.formats import read_rows
from rankkit.registry.load import prepare
from rankkit.scoring.shards.one import ShardScorer
from rankkit.scoring.shards.run import score_shards
from rankkit.scoring.shards.shard import Reading


def png(seed: int, side: int = 8) -> bytes:
    """The bytes of a small image of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def archive(path: Path, seeds, prompt="prompt {}") -> Path:
    """A webdataset archive with an image and its prompt for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for seed in seeds:
            members = {"png": png(seed)}
            if prompt is not None:
                members["txt"] = prompt.format(seed).encode()
            for suffix, data in members.items():
                info = tarfile.TarInfo(f"{seed:05}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def table(path: Path, seeds, prompt="prompt {}") -> Path:
    """A parquet file with an image inside and its prompt for every seed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    seeds = list(seeds)
    images = [{"bytes": png(seed), "path": None} for seed in seeds]
    pq.write_table(pa.table({"image": images, "prompt": [prompt.format(seed) for seed in seeds]}), path)
    return path


def in_this_process(specs, taken=None):
    """Workers that are this process; `taken` is told the name of every shard that is scored."""

    def workers(task, shards):
        scorer = ShardScorer(specs, task)
        for shard in shards:
            if taken is not None:
                taken.append(shard.name)
            yield shard, scorer.score(shard)

    return workers


def score(
    paths,
    specs,
    output,
    *,
    workers=None,
    taken=None,
    prompts=None,
    overwrite=False,
    prune=False,
    said=None,
    **reading,
):
    """`rankkit score --engine ray -o FOLDER/`, by its one library call, in this process."""
    specs = [specs] if isinstance(specs, str) else specs
    return score_shards(
        [str(path) for path in paths],
        [prepare(spec) for spec in specs],
        str(output),
        workers or in_this_process(specs, taken),
        prompts=prompts,
        reading=Reading(**reading),
        overwrite=overwrite,
        prune=prune,
        say=(said if said is not None else []).append,
    )


def rows_in(output: Path) -> list[dict]:
    """All rows of a folder, in one order whatever the shards are."""
    found = [
        row for path in output.iterdir() if path.suffix in (".jsonl", ".parquet") for row in read_rows(path)
    ]
    return ordered(found)


def ordered(rows) -> list[dict]:
    return sorted(rows, key=lambda row: (row["image"], row["ranker"], json.dumps(row["options"])))


def manifest(output: Path) -> dict:
    return json.loads((output / "manifest.json").read_text("utf-8"))
