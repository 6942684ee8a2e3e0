"""Files of human choices, and rankers that know the truth: the quality of an image is its red value."""

import io
import json
import random
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rankkit import build, pointwise


def solid_image(quality, green=0):
    return Image.new("RGB", (8, 8), (quality, green, 0))


def png(quality, green=0):
    buffer = io.BytesIO()
    solid_image(quality, green).save(buffer, "PNG")
    return buffer.getvalue()


def put(folder, name, quality, green=0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(quality, green))
    return name


def truth():
    return build(pointwise(lambda image: image.getpixel((0, 0))[0]))


def reverse():
    return build(pointwise(lambda image: -image.getpixel((0, 0))[0]))


def guess(seed=0):
    source = random.Random(seed)
    return build(pointwise(lambda image: source.random()))


def write(path, entries):
    text = "\n".join(map(json.dumps, entries)) if path.suffix == ".jsonl" else json.dumps(entries, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def plain_pairs(folder, n=20, prompts=None, choice="a"):
    entries = []
    for i in range(n):
        a, b = put(folder, f"{i}a.png", 200, i % 250), put(folder, f"{i}b.png", 100, i % 250)
        entries.append(
            {"prompt": f"prompt {i % (prompts or n)}", "image_a": a, "image_b": b, "choice": choice}
        )
    return write(folder / "pairs.jsonl", entries)


def ranked(folder, ranks, **fields):
    """An entry with one image per rank, whose quality follows the rank (1 is best)."""
    names = [
        put(folder, f"{fields.get('prompt', 'x')}/{i}.png", 250 - 10 * int(rank or 0), i)
        for i, rank in enumerate(ranks)
    ]
    return {"prompt": "x", **fields}, names


def tau(report, first, second):
    return next(
        k
        for k in report.kendall
        if {k.first, k.second} == {first, second} and (first != second or k.first == k.second)
    )


def pickapic(path, rows, row_group_size=2):
    columns = {
        "caption": pa.array([row.get("caption", f"p{i}") for i, row in enumerate(rows)]),
        "created_at": pa.array([datetime(2023, 1, 1, 0, 0, 0, 1)] * len(rows), pa.timestamp("ns")),
        "jpg_0": pa.array([row.get("jpg_0", png(200)) for row in rows], pa.binary()),
        "jpg_1": pa.array([row.get("jpg_1", png(100)) for row in rows], pa.binary()),
        "label_0": pa.array([row.get("label_0", 1.0) for row in rows], pa.float64()),
        "has_label": pa.array([row.get("has_label", True) for row in rows], pa.bool_()),
        "user_id": pa.array([1] * len(rows), pa.int64()),
    }
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path
