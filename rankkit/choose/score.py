"""Scoring from Python: paths or groups of images to `Scores`, and the best of some images just made."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from PIL import Image

from rankkit.choose.scores import Scores
from rankkit.core.build import build
from rankkit.core.calling import abstention, rank_groups
from rankkit.core.stated import kind_of, metadata_images, needs_prompt, reads_metadata, version_of
from rankkit.core.text import printable
from rankkit.core.types import Group, Identity, Ranker, Ranking
from rankkit.errors import RankkitError, UsageError
from rankkit.io.formats import check_row_output, read_rows, replacing
from rankkit.io.prompts import Survey, survey
from rankkit.io.rows import Row
from rankkit.io.rows import rows as rows_of
from rankkit.registry.load import Prepared, load, prepare
from rankkit.scoring.engine import score as run

AT_ONCE = 64  # images in groups that a ranker is given at once

PathLike = str | os.PathLike[str]
Rankers = (
    object  # a spec, a ranker, a class or a function, a sequence of these, or a mapping with their names
)


def score(
    images: PathLike | Group | Iterable[PathLike] | Iterable[Group],
    rankers: Rankers,
    *,
    prompts: PathLike | None = None,
    prompt: str | None = None,
    output: PathLike | None = None,
    limit: int | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Scores:
    """Score images with one ranker or several, as ``rankkit score`` does, and return their rows.

    `images` are folders, image files, archives and manifests, or groups of images in memory. `rankers` are
    specs such as ``"hpsv3"``, rankers, or functions; a mapping gives them names. `prompts`, `prompt` and
    `limit` are those of the command. With `output` (.jsonl, .csv or .parquet) the rows are kept there, and
    a run of specs over paths goes on where an earlier one stopped. `say` is told what the command says on
    stderr. An image that a ranker cannot judge is a row with an error. Raises `RankkitError` where the run
    cannot go on.
    """
    given = [images] if isinstance(images, (str, os.PathLike, Group)) else list(images)
    prepared = _prepared(rankers)
    groups = [each for each in given if isinstance(each, Group)]
    if groups and (len(groups) < len(given) or prompts is not None or prompt is not None):
        raise UsageError("groups have their prompts, and do not go with paths, prompts= or prompt=")
    if not given:
        raise UsageError("no images are given; name a folder, or give groups")
    fixed = isinstance(rankers, str) or all(isinstance(each, str) for each in _named(rankers).values())
    if output is not None and os.path.exists(output) and not overwrite and (groups or not fixed):
        raise UsageError(
            f"{os.fspath(output)}: exists, and only a run of specs over paths can go on there; give another "
            f"output, or overwrite=True"
        )
    if groups:
        return _score_groups(groups[:limit], prepared, output)
    with ExitStack() as stack:
        folder = "" if output else stack.enter_context(tempfile.TemporaryDirectory(prefix="rankkit-"))
        file = Path(output) if output else Path(folder, "rows.jsonl")
        surveys = survey([os.fspath(each) for each in given if not isinstance(each, Group)], prompts=prompts)
        others = file.exists() and not overwrite
        run(surveys, prepared, file, prompt=prompt, limit=limit, overwrite=overwrite, say=say)
        rows = read_rows(file)
        return Scores(
            tuple(_own(rows, prepared, surveys, prompt) if others else rows), str(output or "scores")
        )


@dataclasses.dataclass(frozen=True)
class Best:
    """What `best_of` found: the best `image`, its `index`, and the `ranking` of all.

    `order`: the indices of all that were ranked, best first.
    """

    image: Image.Image
    index: int
    order: tuple[int, ...]
    ranking: Ranking


def best_of(images: Sequence[Image.Image], prompt: str, ranker: object) -> Best:
    """The best of some images for a prompt, by a spec, a ranker or a function.

    ``best_of(pipe(prompt, num_images_per_prompt=8).images, prompt, "hpsv3").image``; of equals the first is
    better. A spec's ranker stays loaded until another is asked for. Raises `RankkitError` when it abstains
    on every image.
    """
    group = Group(prompt, tuple(images))
    if not group.images:
        raise UsageError("there are no images to choose from")
    name = _name(ranker)
    (ranking,) = rank_groups(_loaded(ranker) if isinstance(ranker, str) else build(ranker), [group], name)
    places = [(rank, index) for index, rank in enumerate(ranking.ranks) if rank == rank]
    if not places:
        reasons = map(ranking.reason, range(len(ranking.scores)))
        raise RankkitError(
            f"{name} abstained on every image: {next(filter(None, reasons), 'without a reason')}"
        )
    order = tuple(index for _, index in sorted(places))
    return Best(images[order[0]], order[0], order, ranking)


_loaded = lru_cache(maxsize=1)(load)


def _named(rankers: Rankers) -> dict[str, object]:
    """Rankers by their names. Raises `UsageError` for none, and for two of one name."""
    if isinstance(rankers, Mapping):
        return dict(rankers)
    several = rankers if isinstance(rankers, (list, tuple, set, frozenset)) else [rankers]
    found: dict[str, object] = {}
    for each in several:
        name = _name(each)
        if found.setdefault(name, each) is not each and found[name] != each:
            raise UsageError(f"two rankers are called {name}; give a mapping of names to rankers")
    return found


def _name(ranker: object) -> str:
    return ranker if isinstance(ranker, str) else getattr(ranker, "__name__", None) or type(ranker).__name__


def _prepared(rankers: Rankers) -> list[Prepared]:
    named = _named(rankers)
    if not named:
        raise UsageError("no ranker is given; name one, such as 'sharpness'")
    return [_prepare(name, each) for name, each in named.items()]


def _prepare(name: str, ranker: object) -> Prepared:
    if isinstance(ranker, str):
        found = prepare(ranker)
        own = dataclasses.replace(found.identity, ranker=name) if name != ranker else found.identity
        return dataclasses.replace(found, identity=own)
    built = build(ranker)
    kind = kind_of(built)
    options: dict[str, object] | None = None if built is ranker else {}  # of a built one they are not known
    return Prepared(
        name,
        Identity(name, version_of(ranker, options) or ""),
        kind,
        needs_prompt(ranker),
        load=lambda: built,
        independent=kind == "pointwise",
        reads_metadata=reads_metadata(built),
        metadata_images=metadata_images(built),
    )


def _own(
    rows: Iterable[Row], prepared: Sequence[Prepared], surveys: Sequence[Survey], prompt: str | None
) -> Iterator[Row]:
    """Of a file that held rows already, those of this run: its rankers and its images."""
    names = {printable(item.name) for found in surveys for item in found.items(prompt)}
    versions = {(each.identity.ranker, each.identity.version) for each in prepared}
    return (row for row in rows if row["image"] in names and (row["ranker"], row["version"]) in versions)


def _score_groups(groups: Sequence[Group], prepared: Sequence[Prepared], output: PathLike | None) -> Scores:
    if output is not None:
        check_row_output(output)
    groups = [_with_names(group, number) for number, group in enumerate(groups)]
    if len({group.id for group in groups}) < len(groups):
        raise UsageError("two groups have the same id; give each its own, or none")
    found: list[Row] = []
    for each in prepared:
        ranker = each.load()
        for some in _runs(groups):
            rankings = _rank(each, ranker, some)
            found += [
                row
                for group, one in zip(some, rankings, strict=True)
                for row in rows_of(group, one, each.identity)
            ]
    if output is not None:
        with replacing(output) as write:
            for row in found:
                write(row)
    held = {
        printable(name): image
        for group in groups
        for name, image in zip(group.names, group.images, strict=True)
    }
    return Scores(tuple(found), str(output or "scores"), held)


def _rank(prepared: Prepared, ranker: Ranker, groups: Sequence[Group]) -> Iterator[Ranking]:
    """The rankings of groups; one without a prompt abstains where the ranker needs one."""
    name = prepared.identity.ranker
    fit = [group for group in groups if group.prompt or not prepared.needs_prompt]
    rankings = iter(rank_groups(ranker, fit, name))
    for group in groups:
        if group.prompt or not prepared.needs_prompt:
            yield next(rankings)
        else:
            yield abstention(group, f"{name} needs a prompt, and this group has none", prepared.kind)


def _with_names(group: Group, number: int) -> Group:
    """A group whose id and names tell it and its images from all others."""
    name = group.id or f"group-{number}"
    names = group.names or tuple(f"{name}/{i}" for i in range(len(group.images)))
    return dataclasses.replace(group, id=name, names=names)


def _runs(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Groups together as long as they have at most `AT_ONCE` images."""
    some: list[Group] = []
    for group in groups:
        if some and sum(len(each.images) for each in some) + len(group.images) > AT_ONCE:
            yield some
            some = []
        some.append(group)
    if some:
        yield some
