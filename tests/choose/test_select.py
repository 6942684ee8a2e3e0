"""Which images are chosen: by scores, parts and rankers."""

import pytest
from choices import chosen, images_and_rows, names, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rankkit.errors import BadRows, UsageError
from rankkit.io.formats import all_rows, replacing
from rankkit.io.rows import IMAGE_GONE, STALE

NAME = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=6).filter(
    lambda name: "/" not in name and "\\" not in name and name not in (".", "..")
)
SCORE = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0, 2.5]), st.floats(-1e6, 1e6))
SCORES = st.dictionaries(st.tuples(st.sampled_from("xyz"), NAME), SCORE, min_size=1, max_size=12)


def both(*paths, to):
    with replacing(to) as write:
        for path in paths:
            for each in all_rows(path):
                write(each)
    return to


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCORES, st.sampled_from(["prompt", "folder", "all"]), st.data())
def test_the_chosen_are_the_best_of_each_part_by_score_and_name_and_never_one_that_abstained(
    tmp_path, scores, per, data
):
    rows = write_rows(
        tmp_path / "s.jsonl", {f"{folder}/{name}": score for (folder, name), score in scores.items()},
        prompt=lambda name: "a cat" if name[0] == "x" else "a dog",
    )  # fmt: skip
    top = data.draw(st.one_of(st.none(), st.integers(1, 5)))
    share = data.draw(st.sampled_from([0.1, 0.3, 0.5, 1.0])) if top is None else None
    found = chosen(tmp_path / "s.jsonl", per=per, top=top, share=share)
    key = {"prompt": lambda row: row["prompt"], "folder": lambda row: row["image"][0], "all": lambda row: ""}
    parts = {}
    for row in rows:
        parts.setdefault(key[per](row), []).append(row)
    expected = []
    for part in parts.values():
        ranked = sorted((-row["score"], row["image"]) for row in part if row["score"] is not None)
        room = top or next(n for n in range(99) if n >= share * len(ranked) - 1e-9)
        expected += [name for _, name in ranked[:room]]
    assert names(found) == expected
    assert found.abstained == sum(row["score"] is None for row in rows)
    assert found.images == len(rows)


def test_above_and_below_choose_everything_beyond_a_score_and_not_at_it(tmp_path):
    file = tmp_path / "s.jsonl"
    write_rows(file, {"a": 1.0, "b": 2.0, "c": 3.0, "d": None})
    assert names(chosen(file, above=2.0)) == ["c"]
    assert names(chosen(file, below=2.0)) == ["a"]
    assert names(chosen(file, above=9.0)) == []


def test_a_tie_at_the_last_place_is_said_and_decided_by_name(tmp_path):
    write_rows(tmp_path / "s.jsonl", {"c": 1.0, "b": 1.0, "a": 1.0, "z": 2.0, "y": 0.0})
    found = chosen(tmp_path / "s.jsonl", top=2)
    assert names(found) == ["z", "a"] and found.ties == {"a cat": 2}
    assert not chosen(tmp_path / "s.jsonl", top=1).ties


def test_parts_are_prompts_where_there_are_prompts_and_else_all_images(tmp_path):
    scores = {"x/a": 1.0, "x/b": 2.0, "y/c": 3.0}
    write_rows(tmp_path / "with.jsonl", scores, prompt=lambda name: name[0])
    write_rows(tmp_path / "without.jsonl", scores, prompt="")
    assert names(chosen(tmp_path / "with.jsonl", top=1)) == ["x/b", "y/c"]
    assert names(chosen(tmp_path / "without.jsonl", top=1)) == ["y/c"]
    found = chosen(tmp_path / "without.jsonl", top=1, per="prompt")
    assert names(found) == ["y/c"] and found.pool.without_prompt == 3


def test_rows_that_no_longer_count_are_left_out_and_counted(tmp_path):
    write_rows(tmp_path / "s.jsonl", {"a": 1.0, "b": 2.0})
    rows = list(all_rows(tmp_path / "s.jsonl"))
    rows[1]["details"][STALE] = IMAGE_GONE
    with replacing(tmp_path / "s.jsonl") as write:
        for each in rows:
            write(each)
    found = chosen(tmp_path / "s.jsonl", top=2)
    assert names(found) == ["a"] and found.pool.left_out == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_format_of_rows_is_read(tmp_path, suffix):
    write_rows(tmp_path / f"s.{suffix}", {"a": 1.0, "b": 2.0, "c": None})
    assert names(chosen(tmp_path / f"s.{suffix}", top=2)) == ["b", "a"]


# --- which rankers ---


@pytest.fixture
def two(tmp_path):
    """Rows of two rankers that disagree: `hpsv3` prefers a, b, c and `clip:model=L` c, b, a."""
    write_rows(tmp_path / "h.jsonl", {"a": 3.0, "b": 2.0, "c": 1.0})
    write_rows(tmp_path / "c.jsonl", {"a": 1.0, "b": 20.0, "c": 300.0}, ranker=("clip", "1", {"model": "L"}))
    return both(tmp_path / "h.jsonl", tmp_path / "c.jsonl", to=tmp_path / "s.jsonl")


def test_a_spec_names_a_ranker_of_the_rows_with_or_without_its_options(two):
    for spec in ("clip", "clip:model=L"):
        assert names(chosen(two, spec, top=1)) == ["c"]
    assert names(chosen(two, "hpsv3", top=1)) == ["a"]


@pytest.mark.parametrize("specs", [("hpsv3*2", "clip"), ("hpsv3*2+clip",)])
def test_several_rankers_are_combined_by_weighted_mean_rank(two, specs):
    found = chosen(two, *specs, top=3)
    assert names(found) == ["a", "b", "c"]
    assert [each.candidate.score for each in found.chosen] == pytest.approx([2 / 3, 1 / 2, 1 / 3])
    assert found.chosen[0].candidate.scores == {"hpsv3": 3.0, "clip:model=L": 1.0}


def test_mean_ranks_are_those_within_the_part(tmp_path):
    scores = {"x/a": 1.0, "x/b": 2.0, "y/c": 30.0, "y/d": 4.0}
    write_rows(tmp_path / "h.jsonl", scores, prompt=lambda name: name[0])
    write_rows(tmp_path / "c.jsonl", scores, prompt=lambda name: name[0], ranker="clip")
    found = chosen(
        both(tmp_path / "h.jsonl", tmp_path / "c.jsonl", to=tmp_path / "s.jsonl"), "clip", "hpsv3", top=1
    )
    assert [(each.candidate.image, each.candidate.score) for each in found.chosen] == [
        ("x/b", 1.0),
        ("y/c", 1.0),
    ]


def test_an_image_that_one_ranker_did_not_score_is_not_chosen_and_the_reason_is_counted(tmp_path, two):
    write_rows(tmp_path / "more.jsonl", {"d": 9.0})
    found = chosen([two, tmp_path / "more.jsonl"], "hpsv3", "clip", top=9)
    assert "d" not in names(found) and found.abstained == 1
    assert list(found.reasons) == ["clip:model=L: has no row of clip:model=L"]


def test_a_panel_that_was_scored_is_named_as_it_was(tmp_path):
    write_rows(tmp_path / "s.jsonl", {"a": 0.2, "b": 0.8}, ranker="hpsv3*2+clip", kind="listwise")
    assert names(chosen(tmp_path / "s.jsonl", "hpsv3*2+clip", top=1)) == ["b"]


@pytest.mark.parametrize("specs, words", [
    ((), "name one by -r"), (("nobody",), "there are rows of hpsv3, clip:model=L"),
    (("clip:model=S",), "no rows of it"), (("hpsv3", "hpsv3*2"), "named twice"), (("hpsv3*-1",), "positive"),
])  # fmt: skip
def test_a_spec_that_names_no_ranker_of_the_rows_or_several_is_refused(two, specs, words):
    with pytest.raises(UsageError, match=words):
        chosen(two, *specs, top=1)


def test_scores_of_two_versions_of_a_ranker_are_not_mixed(tmp_path):
    write_rows(tmp_path / "1.jsonl", {"a": 1.0}, ranker=("hpsv3", "1.0"))
    write_rows(tmp_path / "2.jsonl", {"b": 2.0}, ranker=("hpsv3", "2.0"))
    with pytest.raises(UsageError, match=r"several versions of hpsv3 \(1.0, 2.0\)"):
        chosen([tmp_path / "1.jsonl", tmp_path / "2.jsonl"], "hpsv3", top=1)


def test_two_files_may_tell_the_same_of_an_image_but_not_two_things(tmp_path):
    write_rows(tmp_path / "1.jsonl", {"a": 1.0, "b": 2.0})
    write_rows(tmp_path / "2.jsonl", {"a": 1.0})
    assert names(chosen([tmp_path / "1.jsonl", tmp_path / "2.jsonl"], top=9)) == ["b", "a"]
    write_rows(tmp_path / "3.jsonl", {"a": 5.0})
    with pytest.raises(BadRows, match="a has two scores by hpsv3, 1 and 5"):
        chosen([tmp_path / "1.jsonl", tmp_path / "3.jsonl"], top=9)


# --- what is refused ---


def test_scores_that_compare_within_groups_alone_are_not_chosen_across_them(tmp_path):
    scores = {"x/a": 1.0, "x/b": 2.0, "y/c": 0.5}
    for kind in ("pairwise", "listwise"):
        file = tmp_path / f"{kind}.jsonl"
        write_rows(file, scores, kind=kind, prompt=lambda name: name[0])
        assert names(chosen(file, top=1)) == ["x/b", "y/c"]
        with pytest.raises(UsageError, match="orders images within their group alone"):
            chosen(file, top=1, per="all")
        with pytest.raises(UsageError, match="relative to their group"):
            chosen(file, above=0.0)


def test_a_bound_on_mean_ranks_is_refused(two):
    with pytest.raises(UsageError, match="mean ranks have no scale"):
        chosen(two, "hpsv3", "clip", above=0.5)


def test_an_image_with_several_prompts_does_not_compete_with_itself(tmp_path):
    write_rows(tmp_path / "1.jsonl", {"a": 1.0}, prompt="one")
    write_rows(tmp_path / "2.jsonl", {"a": 2.0}, prompt="two")
    files = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    assert names(chosen(files, top=1)) == ["a", "a"]
    with pytest.raises(UsageError, match="has several prompts"):
        chosen(files, top=1, per="all")


@pytest.mark.parametrize("rule", [
    {}, {"top": 1, "share": 0.5}, {"top": 0}, {"share": 0.0}, {"share": 1.5}, {"share": 10},
    {"above": float("nan")},
])  # fmt: skip
def test_a_rule_is_exactly_one_and_within_its_range(tmp_path, rule):
    write_rows(tmp_path / "s.jsonl", {"a": 1.0})
    with pytest.raises(UsageError, match="--"):
        chosen(tmp_path / "s.jsonl", **rule)


def test_a_file_without_rows_is_refused(tmp_path):
    (tmp_path / "s.jsonl").write_text("")
    with pytest.raises(BadRows, match="no rows to choose from"):
        chosen(tmp_path / "s.jsonl", top=1)


def test_images_named_beside_their_rows_are_found_there(tmp_path):
    file = images_and_rows(tmp_path / "deep", {"a.png": 1.0})
    (one,) = chosen(file, top=1).chosen
    assert one.candidate.path == str(tmp_path / "deep" / "a.png")
