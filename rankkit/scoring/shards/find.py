"""Which shards there are at the user's paths and URLs; archives and parquet files are not opened for it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rankkit.core.text import count, plain
from rankkit.errors import BadSource, UsageError
from rankkit.io.cells import image_cells
from rankkit.io.prompts import Item, Survey, parquet, survey, webdataset
from rankkit.io.urls import files_below, is_url, path_of
from rankkit.registry.load import Prepared
from rankkit.scoring.checks import need_prompts
from rankkit.scoring.plan import RunPlan, Say
from rankkit.scoring.shards.shard import SUFFIXES, Reading, Shard

LISTED = 2048  # images of a plain folder that are one shard


class Found:
    """The shards of a run: `files` are archives and parquet files; other images are in `plan`, on disk."""

    def __init__(self, files: list[Shard], plan: RunPlan, whole: bool) -> None:
        self.files, self._plan, self._whole = files, plan, whole

    @property
    def about(self) -> int:
        """How many shards there are, but for those of listed images about so."""
        return len(self.files) + -(-self._plan.planned() // LISTED)

    def shards(self) -> Iterator[Shard]:
        """Every shard, in an order that stays; listed images are put together as they are asked for."""
        yield from self.files
        some: list[Item] = []
        for _, item in self._plan.items():
            full = len(some) >= LISTED
            if full and not (self._whole and some[-1].group == item.group):
                yield _listed(some)
                some = []
            some.append(item)
        if some:
            yield _listed(some)


def find(
    paths: Sequence[str],
    prompts: Path | None,
    reading: Reading,
    rankers: Sequence[Prepared],
    plan: RunPlan,
    say: Say,
) -> Found:
    """The shards at paths and URLs. Images outside of archives are planned here, group by group.

    Raises `UsageError` for a place that is not there, and `BadSource` where there are no images at all.
    """
    typed = [path_of(path) for path in paths]
    urls, local = [path for path in typed if is_url(path)], [path for path in typed if not is_url(path)]
    if urls and prompts is not None:
        raise UsageError(f"shards at URLs hold their own prompts; leave --prompts {prompts} out")
    files = [shard for url in urls for shard in _at_url(url)]
    options = {"captions": reading.captions, "raw": reading.raw, "grid": reading.grid}
    for found in survey(local, prompts=prompts, **options) if local else []:  # type: ignore[arg-type]
        here = _archives(found)
        if here is None:
            for _ in plan.plan(found.items(reading.prompt)):
                pass
        else:
            files += here
    plan.separate_prompts()
    if plan.planned():
        need_prompts(plan, rankers, say)
    elif not files:
        raise BadSource(f"{' '.join(paths)}: no image was found, and no .tar or .parquet that holds images")
    files = list({shard.name: shard for shard in files}.values())
    said = count(len(files), "archive or parquet file", "archives and parquet files") if files else ""
    other = f"{count(plan.planned(), 'image')} in {count(plan.groups(), 'group')}" if plan.planned() else ""
    say(f"{' and '.join(part for part in (said, other) if part)} to score")
    return Found(files, plan, not all(ranker.independent for ranker in rankers))


def _at_url(url: str) -> Iterator[Shard]:
    top = url.rstrip("/")
    found = files_below(top, SUFFIXES)
    if not found:
        raise BadSource(f"{url}: holds no .tar and no .parquet; images at URLs are read from such shards")
    for relative, stamp in found:
        if relative or top.lower().endswith(".tar"):
            yield Shard(top, top, relative, stamp)
        else:
            folder, _, name = top.rpartition("/")
            yield Shard(folder, folder, name, stamp)


def _archives(found: Survey) -> list[Shard] | None:
    """The archives and parquet files of a local root, where its images are in these alone; else None."""
    root = found.root
    listing = {source.name for source in found.sources if source.lists}
    if (
        not listing
        or not listing <= {webdataset.NAME, parquet.NAME}
        or (not root.manifest_only and any(root.walk()))
    ):
        return None
    if root.path.is_file():
        return [Shard(str(root.path), root.label, "", _stamp(root.path))]
    paths = [root.manifest] if root.manifest_only and root.manifest else root.files_below(_is_shard)
    inside = (path for path in paths if path.suffix.lower() == ".tar" or image_cells(path))
    return [Shard(str(root.path), root.label, root.relative(path), _stamp(path)) for path in inside]


def _is_shard(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _stamp(path: str | Path) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _listed(items: list[Item]) -> Shard:
    """Images as a shard, which is another one where any of them, or what is known of it, has changed."""
    digest = hashlib.blake2b(digest_size=16)
    for item in items:
        told = [item.name, item.group, item.prompt, plain(item.metadata), item.error, _stamp(item.path)]
        digest.update(json.dumps(told).encode())
    return Shard("", "images", items[0].name, digest.hexdigest(), tuple(items))
