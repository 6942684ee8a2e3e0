"""Any sequence of edits, runs and kills ends with the rows of a fresh run, none lost and none doubled."""

import gc
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from score_runs import LISTWISE, keyed, rows, save_image, score

from rankkit.scoring import chunks

NAMES = ("a", "b", "sub/c", "sub/d", "e")
RANKERS = ("sharpness", "contrast", "darker:Darker", "compressibility:quality=30")

STEPS = st.one_of(
    st.tuples(st.just("draw"), st.sampled_from(NAMES), st.integers(0, 5)),
    st.tuples(st.just("spoil"), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    st.tuples(
        st.just("run"), st.sets(st.sampled_from(RANKERS), min_size=1), st.sampled_from([None, None, 1, 3])
    ),
    st.tuples(st.just("kill"), st.sets(st.sampled_from(RANKERS), min_size=1), st.integers(0, 3)),
    st.tuples(st.just("tear"), st.integers(1, 400)),
)


class Killed(Exception):
    """Stands for a kill: the journal stays, nothing else happens."""


@pytest.fixture
def place(here, write_modules):
    write_modules(darker=LISTWISE)
    gc.freeze()  # a run collects garbage before it builds a ranker: that of the run, not of all tests before
    yield here
    gc.unfreeze()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(STEPS, min_size=1, max_size=12), st.sampled_from(["jsonl", "csv"]))
def test_any_sequence_of_edits_and_runs_ends_with_the_rows_of_a_fresh_run(place, steps, suffix):
    for name in ("in", f"out.{suffix}", f"out.{suffix}.journal"):
        shutil.rmtree(place / name, ignore_errors=True) if name == "in" else (place / name).unlink(
            missing_ok=True
        )
    for seed, name in enumerate(NAMES[:3]):
        save_image(place / "in" / f"{name}.png", seed)
    present = set(NAMES[:3])
    for step in steps:
        act(place, f"out.{suffix}", present, *step)
    save_image(place / "in" / "a.png", 9)  # there is something to score
    score("in", RANKERS, f"out.{suffix}")
    score("in", RANKERS, "fresh.jsonl", overwrite=True)
    found, fresh = keyed(rows(f"out.{suffix}")), keyed(rows("fresh.jsonl"))
    assert fresh.keys() == found.keys()  # rows of images that are no longer there do not count
    for key, row in fresh.items():
        for field in ("prompt", "sha256", "version", "kind", "score", "stderr", "error", "details"):
            assert found[key][field] == row[field]
        assert (found[key]["rank"], found[key]["of"]) == (row["rank"], row["of"])
    for row in found.values():
        rivals = [
            r
            for r in found.values()
            if (r["group"], r["ranker"], r["options"]) == (row["group"], row["ranker"], row["options"])
        ]
        ranked = [r["score"] for r in rivals if r["score"] is not None]
        assert row["of"] == len(ranked)
        if row["score"] is not None:
            assert (
                row["rank"]
                == 1 + sum(s > row["score"] for s in ranked) + (ranked.count(row["score"]) - 1) / 2
            )


def act(place, output, present, what, *how):
    path = place / "in" / f"{how[0]}.png"
    if what == "draw":
        save_image(path, how[1])
    elif what == "spoil":
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x89PNG")
    elif what == "delete":
        path.unlink(missing_ok=True)
    elif what == "tear" and (place / output).exists():
        data = (place / output).read_bytes()
        last = data.rstrip(b"\r\n").rfind(b"\n") + 1
        header = data.find(b"\n") + 1 if output.endswith("csv") else 0
        (place / output).write_bytes(data[: max(last, header, len(data) - how[0])])
    elif what == "run" and any((place / "in").rglob("*.png")):
        score("in", sorted(how[0]), output, limit=how[1])
    elif what == "kill" and any((place / "in").rglob("*.png")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunks, "CHUNK", 1)
            patch.setattr(chunks, "score_chunk", killing(chunks.score_chunk, how[1]))
            try:
                score("in", sorted(how[0]), output)
            except Killed:
                assert how[1] == 0 or (place / f"{output}.journal").exists()


def killing(function, after):
    """The function, until it has been called so many times."""
    calls = iter(range(after))

    def call(*arguments, **named):
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **named)

    return call
