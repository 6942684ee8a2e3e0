"""Write the numbers of docs/scale.md anew, from the rows in `results/`: `python -m benchmarks.scale`."""

from __future__ import annotations

from benchmarks.scale.page import PAGE, render

if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text("utf-8")), "utf-8")
