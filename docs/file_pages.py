"""A page for each program and layout: an example made on the spot, and what the reader says of it."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from rankkit.errors import RankkitError
from rankkit.io.prompts import survey

USER_COMMENT, EXIF = 0x9286, 0x8769


@dataclass(frozen=True)
class Texts:
    """An image file with texts: chunks of a PNG by keyword, or the UserComment of a JPEG."""

    chunks: Mapping[str, object]

    def write(self, path: Path) -> None:
        """The file, as programs write it."""
        texts = {
            key: text if isinstance(text, str) else json.dumps(text) for key, text in self.chunks.items()
        }
        image = Image.new("RGB", (8, 8), "red")
        if path.suffix == ".png":
            info = PngImagePlugin.PngInfo()
            for key, text in texts.items():
                info.add_itxt(key, text)
            image.save(path, pnginfo=info)
        else:
            exif = Image.Exif()
            exif[EXIF] = {USER_COMMENT: b"UNICODE\0" + texts["UserComment"].encode("utf-16-be")}
            image.save(path, exif=exif.tobytes())

    def shown(self, name: str) -> list[str]:
        """The texts for the page, each under the name of its place."""
        lines = []
        for key, text in self.chunks.items():
            lines += [f"`{name}`, in `{key}`:", "", *block(text), ""]
        return lines


@dataclass(frozen=True)
class Archive:
    """An uncompressed .tar of images (None) and texts."""

    members: Mapping[str, str | None]

    def write(self, path: Path) -> None:
        """The archive."""
        with tarfile.open(path, "w") as archive:
            for name, text in self.members.items():
                data = text.encode() if text is not None else pixels()
                header = tarfile.TarInfo(name)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))

    def shown(self, name: str) -> list[str]:
        """Its members."""
        return [f"`{name}` holds:", "", *tree(self.members), ""]


@dataclass(frozen=True)
class Parquet:
    """A parquet file by columns; an image is given as None."""

    columns: Mapping[str, list[Any]]

    def write(self, path: Path) -> None:
        """The file, its images as `datasets` writes them."""
        import pyarrow
        import pyarrow.parquet

        held = {
            key: [{"bytes": pixels(), "path": None} if value is None else value for value in values]
            for key, values in self.columns.items()
        }
        pyarrow.parquet.write_table(pyarrow.table(held), path)

    def shown(self, name: str) -> list[str]:
        """Its columns."""
        lines = [f"`{name}` has these columns:", "", "```text"]
        for key, values in self.columns.items():
            lines.append(
                f"{key}: {', '.join('an image' if value is None else repr(value) for value in values)}"
            )
        return [*lines, "```", ""]


Content = str | None | Texts | Archive | Parquet


@dataclass(frozen=True)
class Page:
    """One program or layout: its reader, an example `folder`, and files of which it gives no prompt.

    `options` are those that `rankkit prompts` and `rankkit score` need beside the folder.
    """

    title: str
    module: str
    folder: Mapping[str, Content]
    refused: Mapping[str, Mapping[str, Content]]
    options: Mapping[str, str] = field(default_factory=dict)
    reads: str = "read"

    def text(self) -> str:
        """The page."""
        module = importlib.import_module(f"rankkit.io.prompts.{self.module}")
        told = getattr(module, self.reads, None)
        lines = [
            f"# {self.title}",
            "",
            "Written by `make docs`: the reader in the code was asked about the files below.",
            "",
        ]
        lines += [inspect.getdoc(module) or "", ""]
        lines += [inspect.getdoc(told) or "", ""] if told else []
        options = "".join(f" --{key} {value}" for key, value in self.options.items())
        lines += ["## An example", "", *shown(self.folder), *answers("images", self.folder, self.options), ""]
        lines += ["```text", f"rankkit prompts images{options}          # what is said above, of your folder"]
        lines += [f"rankkit score images{options} -r sharpness -o scores.jsonl --html report.html", "```", ""]
        lines += ["## Without a prompt", ""]
        for why, files in self.refused.items():
            lines += [f"**{why}**", "", *shown(files), *answers("images", files, self.options), ""]
        lines += [
            "All sources and their order: [your files](../your-files.md). An image without a prompt is",
            "scored by rankers that need none; `--prompt` or `--prompts` give it one.",
            "",
        ]
        return "\n".join(lines)


def shown(files: Mapping[str, Content]) -> list[str]:
    """A folder for the page: its files, and the texts in them."""
    lines = [*tree(files), ""]
    for name, content in files.items():
        if isinstance(content, str):
            lines += [f"`{name}`:", "", *block(content), ""]
        elif content is not None:
            lines += content.shown(name)
    return lines


def tree(names: Mapping[str, object]) -> list[str]:
    """Names, one a line."""
    return ["```text", *names, "```"]


def block(text: object) -> list[str]:
    """A text as it stands, or JSON."""
    if isinstance(text, str):
        return ["```text", *text.splitlines(), "```"]
    return ["```json", *json.dumps(text, indent=1, ensure_ascii=False).splitlines(), "```"]


def answers(name: str, files: Mapping[str, Content], options: Mapping[str, str]) -> list[str]:
    """What the readers say of this folder, as a table."""
    with made(name, files):
        try:
            (found,) = survey([name], **given(options))
            rows = []
            for each in found.findings():
                why = cell(each.source or each.why or "no source knows it")
                rows.append(f"| `{each.image}` | {cell(each.prompt) or 'none'} | {why} |")
            notes = [f"Said beside it: {cell(note)}." for note in found.notes]
        except RankkitError as error:
            return ["```text", f"error: {error}", "```"]
    head = ["| image | prompt | from, or why there is none |", "| --- | --- | --- |"]
    return [*head, *rows, *([""] if notes else []), *notes]


def given(options: Mapping[str, str]) -> dict[str, Any]:
    """The options of the command as the library takes them."""
    taken: dict[str, Any] = dict(options)
    if "grid" in taken:
        columns, rows = taken["grid"].split("x")
        taken["grid"] = int(columns), int(rows)
    return taken


def cell(text: str) -> str:
    """A text in a table."""
    return text.replace("|", "&#124;").replace("<", "&lt;").replace("\n", " ")


@contextmanager
def made(name: str, files: Mapping[str, Content]) -> Iterator[None]:
    """The folder on the disk, as the current one's."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        for file, content in files.items():
            path = Path(place, name if not file.startswith("/") else "", file.lstrip("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.write_bytes(pixels())
            elif isinstance(content, str):
                path.write_text(content, "utf-8")
            else:
                content.write(path)
        os.chdir(place)
        try:
            yield
        finally:
            os.chdir(before)


def pixels() -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()
