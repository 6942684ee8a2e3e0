"""What axe-core finds on a page in a browser; the package axe-core-python brings it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from browsers import Browser, Chromium

FOUND = importlib.util.find_spec("axe_core_python")
AXE = Path(FOUND.origin).parent / "axe.min.js" if FOUND and FOUND.origin else None
RUN = """axe.run(document, {resultTypes: ["violations"]}).then((found) => found.violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target}: ${node.failureSummary}`)))"""


def serious(page: Browser) -> list[str]:
    """The serious and critical findings on the page as it is now, each with its place."""
    assert AXE is not None
    page.see(f"(() => {{ {AXE.read_text('utf-8')} }})()")
    found: list[str] = page.see(RUN)
    return found


def everywhere(page: Browser, url: str) -> list[str]:
    """The findings of a page of ours, on a wide screen and a telephone, in light and dark.

    In Chromium each of the four; elsewhere, where axe takes seconds, two that hold all of them.
    """
    found = []
    views = [(1280, False), (390, True)]
    if isinstance(page, Chromium):
        views += [(1280, True), (390, False)]
    for width, dark in views:
        page.look(width, 800, dark)
        page.goto(url)
        found += [f"{width}{' dark' if dark else ''}: {each}" for each in serious(page)]
    return found
