"""Scores in memory: rows as a sequence, the best of them, a table for pandas, images in a notebook."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from typing import Any, overload

from PIL import Image

from rankkit.choose.select.candidates import Per, pool_of
from rankkit.choose.select.image_files import ImageFiles
from rankkit.choose.select.rule import Rule, select
from rankkit.core.images import Decoded, data_uri, decode
from rankkit.core.text import one_line
from rankkit.errors import RankkitError, UsageError
from rankkit.io.rows import Row, label

SHOWN, SIDE = 24, 160  # images that a notebook shows, and pixels of their longer side
BOX = "margin:4px;display:inline-block;vertical-align:top;font:12px sans-serif;max-width:170px"


@dataclass(frozen=True, repr=False)
class Scores(Sequence[Row]):
    """The rows of a run, one per image and ranker: a sequence of them, which a notebook shows as images.

    `beside` is the file or folder beside which images may lie; `held` are those that were given in memory,
    by their names.
    """

    rows: tuple[Row, ...]
    beside: str = "scores"
    held: Mapping[str, Image.Image] = field(default_factory=dict)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Scores: ...
    def __getitem__(self, at: int | slice) -> Row | Scores:
        return self.rows[at] if isinstance(at, int) else Scores(self.rows[at], self.beside, self.held)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        silent = sum(row["score"] is None for row in self.rows)
        return f"<scores of {len(self.images)} images by {', '.join(self.rankers)}, {silent} abstentions>"

    @property
    def images(self) -> list[str]:
        """The names of the images, in the order of the rows; those that `best` chose stand best first."""
        return list(dict.fromkeys(row["image"] for row in self.rows))

    @property
    def rankers(self) -> list[str]:
        """The rankers, each with its options."""
        return list(dict.fromkeys(map(label, self.rows)))

    def best(
        self,
        n: int = 1,
        per: Per | None = None,
        *,
        by: str | Sequence[str] | Mapping[str, float] | None = None,
    ) -> Scores:
        """The rows of the best `n` images of each part: ``per="prompt"``, ``"folder"`` or ``"all"``.

        Without `per` a part is a prompt where there are prompts, else all images. `by` names the rankers to
        go by, a mapping with weights; several, or without it all of them, are combined by mean rank. Ties go
        by name, and images that abstained are never among them. Raises `UsageError` where scores do not
        compare.
        """
        specs = self.rankers if by is None else [by] if isinstance(by, str) else list(by)
        if isinstance(by, Mapping):
            specs = [f"{name}*{weight!r}" for name, weight in by.items()]
        pool = pool_of(((row, self.beside) for row in self.rows), specs, per)
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            found.setdefault((row["image"], row["prompt"]), []).append(row)
        chosen = [each.candidate for each in select(pool, Rule(top=n)).chosen]
        rows = (row for each in chosen for row in found[each.image, each.prompt])
        return Scores(tuple(rows), self.beside, self.held)

    def open(self, name: str) -> Image.Image:
        """The image of that name as 8-bit RGB. Raises `RankkitError` where it cannot be had."""
        if name in self.held:
            return self.held[name]
        row = next((row for row in self.rows if row["image"] == name), None)
        if row is None:
            raise UsageError(f"{name!r} is no image of these scores; .images names them")
        (candidates,) = pool_of([(row, self.beside)], per="all").parts.values()
        data = ImageFiles().read(candidates[0])
        found = Decoded(None, data) if isinstance(data, str) else decode(data)
        if found.image is None:
            raise RankkitError(f"{name}: {found.error}")
        return found.image

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with a line per row; `score` and `rank` are NaN where a ranker abstained."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise UsageError(
                "pandas is not installed; pip install pandas, or use .rows as they are"
            ) from None
        frame = pandas.DataFrame(list(self.rows))
        numbers = {name: "float64" for name in ("score", "stderr", "rank") if name in frame}
        return frame.astype(numbers)

    def _repr_html_(self) -> str:
        """The images, best first within each prompt, with what each ranker said: for notebooks."""
        together: dict[tuple[str, str], list[Row]] = {}
        for row in self.rows:
            together.setdefault((row["prompt"], row["image"]), []).append(row)
        prompts = {prompt: at for at, prompt in enumerate(dict.fromkeys(row["prompt"] for row in self.rows))}
        order = sorted(
            together.items(), key=lambda item: (prompts[item[0][0]], item[1][0]["rank"] or math.inf)
        )
        boxes = [self._box(name, rows) for (_, name), rows in islice(order, SHOWN)]
        more = f"<p>and {len(order) - SHOWN} more</p>" if len(order) > SHOWN else ""
        return f"<div><p>{escape(repr(self))}</p>{''.join(boxes)}{more}</div>"

    def _box(self, name: str, rows: Sequence[Row]) -> str:
        try:
            small = self.open(name).copy()
            small.thumbnail((SIDE, SIDE))
            shown = f'<img src="{data_uri(small)}" alt="{escape(one_line(name))}">'
        except RankkitError as error:
            shown = f"<i>{escape(str(error))}</i>"
        said = "".join(f"<br>{escape(label(row))}: {_said(row)}" for row in rows)
        title = escape(one_line(" ".join(rows[0]["prompt"].split())))
        return f'<div style="{BOX}" title="{title}">{shown}<br>{escape(one_line(name)[-40:])}{said}</div>'


def _said(row: Row) -> str:
    if row["score"] is None:
        return "abstained"
    place = f" ({row['rank']:g} of {row['of']})" if row["rank"] is not None else ""
    return f"{row['score']:.4g}{place}"
