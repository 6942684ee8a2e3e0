"""What mkdocs is told beside mkdocs.yml: pages from outside of docs/, and links that lead to them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks/LOG.md": "log.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "README.md": "readme.md",
    **{
        f"plugins/{path.parent.name}/README.md": f"plugins/{path.parent.name}.md"
        for path in sorted(ROOT.glob("plugins/*/README.md"))
    },
}
SOURCES = {page: source for source, page in OUTSIDE.items()}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Leave out of the menu what is not written (yet)."""
    config["nav"] = [_there(entry) for entry in config["nav"]]
    return config


def on_files(files: Any, *, config: Any) -> Any:
    """Add the pages from outside."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Let links lead to pages of the site; one to a file that is no page becomes that file's name."""
    here = page.file.src_uri
    source = SOURCES.get(here, f"docs/{here}")
    return LINK.sub(lambda found: _linked(found, here, source), markdown)


def _linked(found: re.Match[str], here: str, source: str) -> str:
    image, words, target, anchor = found[1], found[2], found[3], found[4] or ""
    if "://" in target or target.startswith("mailto:"):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    page = OUTSIDE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
    if page is not None:
        return f"{image}[{words}]({posixpath.relpath(page, posixpath.dirname(here) or '.')}{anchor})"
    if image or not (ROOT / path).exists():
        return found[0]  # mkdocs says that it leads nowhere
    return words if path in words else f"{words} (`{path}`)"


def _there(entry: dict[str, Any]) -> dict[str, Any]:
    ((name, pages),) = entry.items()
    return {name: [page for page in pages if _found(page)] if isinstance(pages, list) else pages}


def _found(page: str | dict[str, str]) -> bool:
    """Whether there is such a page, or one called something else in the menu."""
    place = page if isinstance(page, str) else next(iter(page.values()))
    return isinstance(place, list) or place in SOURCES or (ROOT / "docs" / place).exists()
