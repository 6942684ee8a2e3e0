"""The table of `benchmarks.flops`."""

from __future__ import annotations

from benchmarks.tables.cells import Row, table

WORDS = {
    "drpo": "DrPO, activations kept",
    "drpo checkpointed": "DrPO, the U-Net's made anew in backward",
    "draft": "DRaFT (reward gradient), all activations made anew in backward",
    "draft kept": "DRaFT, activations kept",
    "authors": "DrPO as its authors published it: prompt encoded per candidate, 64 decodes",
}


def flops(row: Row) -> str:
    networks = [
        (name, f"{each['forward']:.3f}", f"{each['backward']:.3f}") for name, each in row["networks"].items()
    ]
    updates = [
        (words, f"{row['updates'][name]:,.0f}", f"{row['times drpo'][name]:.2f}×")
        for name, words in WORDS.items()
    ]
    both = (
        table(("network, one candidate", "forward, TFLOP", "backward"), networks),
        table((f"one update, {row['candidates']} candidates", "TFLOP", "times the first"), updates),
    )
    ratio = row["updates"]["draft"] / row["updates"]["drpo checkpointed"]
    return "\n".join(both) + (
        f"\nThe paper measures {row['paper']}× less time for an update with HPSv3 than DRaFT takes; "
        f"of the work counted here DRaFT does {row['times drpo']['draft']:.2f}× as much, "
        f"{ratio:.2f}× where both make the U-Net's activations anew.\n"
    )
