"""The tables of `benchmarks.flops` and `benchmarks.flops.generators`."""

from __future__ import annotations

from benchmarks.tables.cells import Row, table

PARTS = ("network", "decoder")
KINDS = ("latents", "latents, checkpointing", "latents, two steps with a graph", "images")
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


def generators(row: Row) -> str:
    sizes = [
        (
            f"`{name}`",
            f"{each['side']}, {each['steps']}",
            f"{each['weights']['network'] / 1e9:.2f}",
            f"{each['GiB of weights']:.1f}",
            " + ".join(f"{each['GiB kept'][part]:.1f}" for part in PARTS),
            " + ".join(f"{each['GiB kept, checkpointing'][part]:.2f}" for part in PARTS),
            *(f"{each['TFLOP an update'].get(kind, float('nan')):,.0f}".replace("nan", "") for kind in KINDS),
        )
        for name, each in row["generators"].items()
    ]
    header = (
        "generator", "pixels, steps", "weights, billion", "GiB with autoencoder",
        "GiB a candidate, network + decoder", "checkpointing", *(f"TFLOP: {kind}" for kind in KINDS),
    )  # fmt: skip
    return table(header, sizes)
