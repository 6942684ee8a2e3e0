import io
import json
import math
import os

import pytest
from PIL import Image

import rankkit
from rankkit import Ranking
from rankkit.analysis import stats
from rankkit.analysis.compare import Comparison, compare, pair, render
from rankkit.core import aggregate
from rankkit.errors import BadSource


def shade(value):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(files):
    for name, content in files.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "wb") as file:
            file.write(
                shade(content)
                if isinstance(content, int)
                else content.encode()
                if isinstance(content, str)
                else content
            )


def level(image):
    return image.getpixel((0, 0))[0]


BRIGHT = rankkit.build(lambda image: level(image))


def judged(a="a", b="b", ranker=BRIGHT, **options):
    (found,) = compare(pair(a, b, **options).pairs, {"bright": ranker})
    return found


# --- pairing ---


def test_images_are_paired_by_their_relative_path_and_who_has_no_partner_is_named():
    put({"a/0.png": 1, "a/x/1.png": 1, "a/only.png": 1, "b/0.png": 2, "b/x/1.png": 2, "b/alone.png": 2})
    found = pair("a", "b")
    assert found.by == "relative path"
    assert [(each.a.name, each.b.name) for each in found.pairs] == [
        ("a/0.png", "b/0.png"),
        ("a/x/1.png", "b/x/1.png"),
    ]
    assert (found.only_a, found.only_b) == (["a/only.png"], ["b/alone.png"])


def test_folders_may_be_named_in_any_way(tmp_path):
    put({"a/0.png": 1, "deep/b/0.png": 2})
    assert len(pair("./a/", str(tmp_path / "deep" / "b")).pairs) == 1


def test_without_common_paths_images_are_paired_by_prompt_and_order():
    put({"a/x.png": 1, "a/y.png": 2, "a/z.png": 3, "b/p.png": 4, "b/q.png": 5})
    put({"a/x.txt": "cat", "a/y.txt": "cat", "a/z.txt": "dog", "b/p.txt": "cat", "b/q.txt": "cat"})
    found = pair("a", "b")
    assert found.by == "prompt and order"
    assert [(each.a.name, each.b.name) for each in found.pairs] == [
        ("a/x.png", "b/p.png"),
        ("a/y.png", "b/q.png"),
    ]
    assert (found.only_a, found.only_b) == (["a/z.png"], [])


def test_an_image_without_a_prompt_is_named_too_where_prompts_decide():
    put({"a/x.png": 1, "a/x.txt": "cat", "a/none.png": 1, "b/y.png": 2, "b/y.txt": "cat", "b/bare.png": 3})
    found = pair("a", "b")
    assert (len(found.pairs), found.only_a, found.only_b) == (1, ["a/none.png"], ["b/bare.png"])


def test_one_prompt_for_all_pairs_images_in_order():
    put({"a/x.png": 1, "a/y.png": 2, "b/p.png": 3})
    found = pair("a", "b", prompt="a cat")
    assert [(each.a.name, each.b.name) for each in found.pairs] == [
        ("a/x.png", "b/p.png")
    ] and found.only_a == ["a/y.png"]


def test_folders_with_nothing_in_common_are_refused_with_the_next_step():
    put({"a/x.png": 1, "b/y.png": 2})
    with pytest.raises(
        BadSource,
        match="no image of one matches an image of the other by relative path or by prompt; name files alike",
    ):
        pair("a", "b")


# --- verdicts ---


def test_a_wins_loses_and_ties_as_its_images_do():
    put({f"a/{i}.png": value for i, value in enumerate([9, 5, 1, 8])})
    put({f"b/{i}.png": value for i, value in enumerate([1, 5, 9, 2])})
    found = judged()
    assert found.outcomes == [1, 0.5, 0, 1] and found.ties == 1 and found.failures == {}
    assert found.rate == stats.win_interval([1, 0.5, 0, 1], [0, 1, 2, 3])


def test_the_two_sides_mirror_each_other():
    put({f"{side}/{i}.png": (i * 37 + k * 11) % 50 for k, side in enumerate("ab") for i in range(8)})
    one, two = judged("a", "b"), judged("b", "a")
    assert one.rate.rate + two.rate.rate == pytest.approx(1) and one.p_value == pytest.approx(two.p_value)


def test_pairs_of_one_prompt_are_one_cluster():
    put({f"{side}/{i}.png": 9 - k for k, side in enumerate("ab") for i in range(6)})
    put({f"{side}/{i}.txt": "cat" if i < 3 else "dog" for side in "ab" for i in range(6)})
    found = judged()
    assert found.rate.rate == 1 and found.rate.clusters == 2 and found.rate.values == 6


def test_a_file_that_does_not_decode_is_a_failed_pair_with_its_name_and_not_a_tie():
    put({"a/0.png": 9, "b/0.png": 1, "a/1.png": b"", "b/1.png": 1, "a/2.png": 3, "b/2.png": "text"})
    found = judged()
    assert found.outcomes == [1]
    assert found.failures["a/1.png"] == "a/1.png: the file is empty (0 bytes)"
    assert found.failures["a/2.png"].startswith("b/2.png: not an image")


def test_an_abstention_is_a_failed_pair_with_the_rankers_reason():
    put({"a/0.png": 9, "b/0.png": 1, "a/1.png": 9, "b/1.png": 13})
    found = judged(ranker=rankkit.build(lambda image: math.nan if level(image) == 13 else 1.0))
    assert found.outcomes == [0.5]
    assert found.failures == {"a/1.png": "the ranker returned nan instead of a finite number"}


def test_a_ranker_that_breaks_on_one_pair_fails_that_pair_only():
    put({"a/0.png": 9, "b/0.png": 1, "a/1.png": 13, "b/1.png": 1, "a/2.png": 1, "b/2.png": 9})

    class Breaks:
        def rank(self, groups):
            if any(level(image) == 13 for group in groups for image in group.images):
                raise RuntimeError("out of memory")
            return [Ranking(tuple(level(image) for image in group.images)) for group in groups]

    found = judged(ranker=Breaks())
    assert found.outcomes == [1, 0] and found.failures == {"a/1.png": "RuntimeError: out of memory"}


@pytest.mark.parametrize("rankings", [lambda groups: [], lambda groups: [Ranking((1.0,)) for _ in groups]])
def test_a_ranker_that_loses_count_fails_its_pairs_not_the_run(rankings):
    put({"a/0.png": 9, "b/0.png": 1})

    class Odd:
        def rank(self, groups):
            return rankings(groups)

    found = judged(ranker=Odd())
    assert found.outcomes == [] and set(found.failures) == {"a/0.png"}


def test_a_ranker_that_needs_a_prompt_fails_pairs_that_have_none():
    put({"a/0.png": 9, "b/0.png": 1, "a/1.png": 9, "b/1.png": 1, "a/1.txt": "a cat"})
    found = judged(ranker=rankkit.build(lambda image, prompt: level(image)))
    assert (
        found.outcomes == [1]
        and "bright needs a prompt, and this pair has none; give --prompt TEXT" in found.failures["a/0.png"]
    )


def test_a_prompt_of_either_side_serves_both():
    put({"a/0.png": 9, "b/0.png": 1, "b/0.txt": "a cat"})
    seen = []
    judged(ranker=rankkit.build(lambda image, prompt: seen.append(prompt) or 1.0))
    assert seen == ["a cat", "a cat"]


def test_progress_tells_of_every_pair_and_ranker():
    put({f"{side}/{i}.png": i for side in "ab" for i in range(40)})
    told = []
    found = compare(pair("a", "b").pairs, {"one": BRIGHT, "two": BRIGHT}, progress=told.append)
    assert sum(told) == 80 and [len(each.outcomes) for each in found] == [40, 40]


# --- by a pairwise judge ---


def brighter(bias=0.0, fails=lambda first, second: False):
    @rankkit.pairwise
    def judge(first, second):
        if fails(level(first), level(second)):
            raise TimeoutError("the judge did not answer")
        return aggregate.sigmoid((level(first) - level(second)) / 20 + bias)

    return rankkit.build(judge)


def test_a_judges_liking_for_a_position_decides_nothing():
    put({f"a/{i}.png": 100 + i for i in range(8)} | {f"b/{i}.png": 107 - i for i in range(8)})
    for bias in (-2.0, 0.0, 2.0):
        assert judged(ranker=brighter(bias)).outcomes == [0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1]


def test_a_pair_that_a_judge_finds_about_equal_is_a_tie():
    put({"a/0.png": 103, "b/0.png": 100, "a/1.png": 105, "b/1.png": 100})
    found = judged(ranker=brighter())
    assert found.outcomes == [0.5, 1] and found.ties == 1
    assert aggregate.sigmoid(3 / 20) - 0.5 < 0.05 < aggregate.sigmoid(5 / 20) - 0.5


def test_a_pair_of_which_one_position_failed_has_no_verdict_because_the_position_could_have_decided_it():
    put({f"{side}/{i}.png": 100 + i + 9 * (side == "b") for side in "ab" for i in range(5)})
    found = judged(ranker=brighter(3.0, fails=lambda first, second: first - second == 9))
    assert (
        found.outcomes == []
        and len(found.failures) == 5
        and found.failures["a/0.png"] == "TimeoutError: the judge did not answer"
    )


def test_how_far_to_trust_a_judge_is_told_below_its_verdict():
    put(
        {f"{side}/{i}.png": 100 + 9 * (side == "a") for side in "ab" for i in range(4)}
        | {"a/4.png": 13, "b/4.png": 1}
    )
    found = judged(ranker=brighter(1.0, fails=lambda first, second: 13 in (first, second)))
    verdict, judge = render([found], "ours", "theirs").splitlines()
    assert verdict.endswith("(1 pair without a verdict)") and "ours wins 100.0 % of 4 pairs" in verdict
    assert judge == (
        "  its judge: calls 10, 2 failed (failed 2); same answer in both orders 0 % of 4 pairs; "
        "position bias towards the first shown +1.00 logits, cancelled; near ties 0 of 4"
    )
    assert json.loads(json.dumps(found.as_json()))["judge"]["failures"] == {"failed": 2}


# --- in words ---


def test_the_verdict_is_said_in_words():
    clear, even = (
        Comparison("x", [1.0] * 40, list(range(40))),
        Comparison("x", [1.0, 0.0] * 5, list(range(10))),
    )
    lost = Comparison("x", [0.0] * 40, list(range(40)))
    assert clear.verdict("A", "B") == "A is preferred" and lost.verdict("A", "B") == "B is preferred"
    assert even.verdict("A", "B") == "not significant: this could be chance"
    assert Comparison("x").verdict("A", "B") == "no pair was decided"
    tied = render([Comparison("x", [1.0, 0.5], [0, 1])], "a", "b")
    assert (
        "a wins 75.0 % of 2 pairs" in tied
        and "1 tie, half a win to each" in tied
        and tied.endswith("not significant: this could be chance")
    )
    assert render([clear, Comparison("y")], "a", "b").splitlines() == [
        f"x: a wins 100.0 % of 40 pairs (95 % interval {100 * clear.rate.low:.1f} to 100.0, "
        f"0 ties, p = {clear.p_value:.2g}): a is preferred",
        "y: no pair was decided",
    ]


def test_an_interval_that_holds_one_half_is_never_called_significant():
    for won in range(21):
        found = Comparison("x", [1.0] * won + [0.0] * (20 - won), list(range(20)))
        significant = "preferred" in found.verdict("A", "B")
        assert significant == (not found.rate.low <= 0.5 <= found.rate.high) == (found.p_value < 0.05)


def test_the_verdict_as_json_holds_no_nan():
    empty = json.loads(json.dumps(Comparison("x").as_json(), allow_nan=False))
    assert empty["win_rate"] is None and empty["pairs"] == 0 and empty["p_value"] == 1
    full = Comparison("x", [1.0, 0.5], [0, 1], {"a": "broken"}).as_json()
    assert (full["win_rate"], full["ties"], full["failed"]) == (0.75, 1, 1)
