"""The tables of `benchmarks.training`: runs on the built-in world."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.tables.cells import Row, spread, table


def training(rows: Sequence[Row]) -> str:
    """Every run on the final prompts with the settings, and from the base, of the last one with the recipe's
    own ranker.
    """
    last = [row for row in rows if row["split"] == "final" and row["config"]["ranker"] == "shapes"][-1]
    alike = [row for row in rows if row["split"] == "final" and _setting(row) == _setting(last)]
    arms = {arm: [row for row in alike if row["arm"] == arm] for arm in ("reward", "random", "reversed")}
    lines = [(arm, *_arm(runs)) for arm, runs in arms.items() if runs]
    head = (
        "arm",
        "seeds",
        "right before",
        "right after",
        "95 % of the gain, by seed",
        "diversity / base",
        "CPU seconds",
    )
    tasks = [
        (
            task,
            f"{before['before']:.2f}",
            *(_after(runs, task) for runs in arms.values()),
            *_crowded(arms["reward"], task),
        )
        for task, before in last["tasks"].items()
    ]
    flawless = (
        f"A corpus without mistakes would have {last['diversity_flawless']:.2f} of the base's diversity.\n"
    )
    columns = ("task", "before", *arms, "crowded before", "after reward")
    tables = f"{table(head, lines)}\n{flawless}\n{table(columns, tasks)}\n{_step(arms['reward'][-1])}\n"
    others = [
        row
        for row in rows
        if row["split"] == "final" and row["config"]["ranker"] != "shapes" and row["before"] == last["before"]
    ]
    return tables + _others(others)


def _setting(row: Row) -> Row:
    return {name: value for name, value in row["config"].items() if name != "seed"} | {
        "before": row["before"]
    }


def _arm(runs: Sequence[Row]) -> tuple[str, ...]:
    after, diversity = [row["after"] for row in runs], [row["diversity"] for row in runs]
    gains = ", ".join(f"{low:+.2f} to {high:+.2f}" for low, high in (row["gain_95"] for row in runs))
    seeds = ", ".join(str(row["seed"]) for row in runs)
    return (
        seeds,
        f"{runs[0]['before']:.3f}",
        spread(after, 3),
        gains,
        spread(diversity),
        spread([row["cpu_seconds"] for row in runs], 0),
    )


def _after(runs: Sequence[Row], task: str) -> str:
    return spread([row["tasks"][task]["after"] for row in runs]) if runs else ""


def _crowded(runs: Sequence[Row], task: str) -> tuple[str, str]:
    """The share of images with more objects than were asked for, before and after."""
    shares = [row["crowded"][task] for row in runs]
    return (f"{shares[0][0]:.2f}", spread([after for _, after in shares])) if shares else ("", "")


def _step(row: Row) -> str:
    phases = ", ".join(
        f"{name.removeprefix('s_')} {seconds:.2f}" for name, seconds in row["seconds_per_step"].items()
    )
    return (
        f"Seconds of one step (seed {row['seed']}, load {row['load']}): {phases}; peak "
        f"memory {row['peak_mb']} MiB.\n"
    )


def _others(rows: Sequence[Row]) -> str:
    """Runs by another ranker: what it thinks of held-out prompts' images itself."""
    scores = [(row["config"]["ranker"], str(row["seed"]), row["score"], row["diversity"]) for row in rows]
    lines = [
        (
            f"`{ranker}`",
            seed,
            f"{score['before']:,.1f}",
            f"{score['after']:,.1f}",
            "{:+,.1f} to {:+,.1f}".format(*score["gain_95"]),
            f"{kept:.2f}",
        )
        for ranker, seed, score, kept in scores
    ]
    head = ("another reward", "seed", "score before", "after", "95 % of the gain", "diversity / base")
    return f"{table(head, lines)}" if lines else ""
