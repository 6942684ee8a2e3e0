import dataclasses
import io
import json
import math
import os

import pytest
from PIL import Image
from typer.testing import CliRunner

import rankkit
from rankkit import Ranking
from rankkit.analysis import stats
from rankkit.analysis.compare import Comparison, compare, render
from rankkit.analysis.pairs import ImagePair, pair
from rankkit.cli.app import app
from rankkit.core import aggregate
from rankkit.errors import BadSource

pytestmark = pytest.mark.usefixtures("here")


def shade(value):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


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
        match="no image of one matches an image of the other by relative path, by prompt or by the number",
    ):
        pair("a", "b")


def names(found):
    return [(each.a.name.removeprefix("a/"), each.b.name.removeprefix("b/")) for each in found.pairs]


def test_files_of_one_name_with_other_prompts_are_paired_by_prompt():
    put({"a/C_1.png": 1, "a/C_1.txt": "a red cat", "a/C_2.png": 1, "a/C_2.txt": "a dog"})
    put({"b/C_1.png": 2, "b/C_1.txt": "a dog", "b/C_2.png": 2, "b/C_2.txt": "a  red cat", "b/C_3.png": 2})
    found = pair("a", "b")
    assert names(found) == [("C_1.png", "C_2.png"), ("C_2.png", "C_1.png")] and found.by == "prompt"
    assert found.only_b == ["b/C_3.png"]


def test_files_of_one_name_with_nothing_but_other_prompts_are_refused_and_both_are_shown():
    put({"a/C_1.png": 1, "a/C_1.txt": "a cat", "b/C_1.png": 2, "b/C_1.txt": "a dog"})
    with pytest.raises(BadSource, match=r"prompts do not \(a/C_1.png: 'a cat', b/C_1.png: 'a dog'\)"):
        pair("a", "b")


def test_where_one_name_stands_for_two_prompts_the_other_names_still_pair_within_their_prompt():
    put({f"a/{i}.png": 1 for i in range(5)} | {f"b/{i}.png": 2 for i in (0, 2, 3, 4)})
    put({f"a/{i}.txt": "a cat" for i in range(4)} | {f"b/{i}.txt": "a cat" for i in (0, 2, 3)})
    put({"a/4.txt": "a dog", "b/4.txt": "a frog"})
    found = pair("a", "b")
    assert names(found) == [("0.png", "0.png"), ("2.png", "2.png"), ("3.png", "3.png")]
    assert found.by == "prompt and order" and found.only_a == ["a/1.png", "a/4.png"]


@pytest.mark.parametrize("prompt", ["", "a cat"])
@pytest.mark.parametrize("a, b", [
    ("a_{:04}.png", "b_{:04}.png"), ("sd15_{}.png", "sdxl1_{}.jpg"), ("{:03}-seed7.png", "{:03}-seed8.png"),
    ("x/p_{:05}_.png", "x/y{:02}.png"),
])  # fmt: skip
def test_other_names_are_paired_by_their_number_and_a_gap_shifts_nothing(a, b, prompt):
    put({f"a/{a.format(i)}": 1 for i in range(8)} | {f"b/{b.format(i)}": 2 for i in range(8) if i != 3})
    found = pair("a", "b", prompt=prompt or None)
    assert names(found) == [(a.format(i), b.format(i)) for i in range(8) if i != 3]
    assert found.only_a == [f"a/{a.format(3)}"] and found.only_b == []
    assert found.by == ("prompt and number in the name" if prompt else "number in the name")


def test_a_number_that_two_images_share_pairs_nothing():
    put({"a/x_1.png": 1, "a/y_1.png": 1, "a/x_2.png": 1, "b/z_1.png": 2, "b/z_2.png": 2})
    found = pair("a", "b")
    assert names(found) == [("x_2.png", "z_2.png")]
    assert (found.only_a, found.only_b) == (["a/x_1.png", "a/y_1.png"], ["b/z_1.png"])


def test_numbers_pair_no_images_whose_prompts_differ():
    put({"a/x_1.png": 1, "a/x_1.txt": "a cat", "b/y_1.png": 2, "b/y_1.txt": "a dog", "b/y_2.png": 3})
    with pytest.raises(BadSource):
        pair("a", "b")
    put({"a/x_2.png": 2, "a/x_2.txt": "a bird"})
    assert names(pair("a", "b")) == [("x_2.png", "y_2.png")]


def test_another_suffix_is_no_other_name():
    put({"a/cat.png": 1, "a/dog.png": 1, "b/cat.jpg": 2})
    found = pair("a", "b")
    assert (names(found), found.by) == ([("cat.png", "cat.jpg")], "relative path without suffix")


def test_an_image_with_several_prompts_is_compared_under_each():
    lines = [{"file_name": "0.png", "text": prompt} for prompt in ("a cat", "an animal")]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    put({"a/0.png": 1, "b/0.png": 2, "a/metadata.jsonl": text})
    for more in ({}, {"b/metadata.jsonl": text}):
        put(more)
        assert [each.prompt for each in pair("a", "b").pairs] == ["a cat", "an animal"]


def test_an_image_that_a_table_names_twice_is_compared_once():
    lines = "image,prompt\nx.png,a cat\nx.png,a cat\nx.png,a dog\n"
    put({"a/x.png": 1, "a/list.csv": lines, "b/x.png": 2, "b/list.csv": lines})
    found = pair("a/list.csv", "b/list.csv")
    assert sorted(each.prompt for each in found.pairs) == ["a cat", "a dog"]
    assert not found.only_a and not found.only_b


def test_a_pair_of_two_prompts_is_judged_under_neither():
    put({"a/0.png": 9, "b/0.png": 1, "a/0.txt": "a cat"})
    (first,) = pair("a", "b").pairs
    wrong = ImagePair(first.a, dataclasses.replace(first.b, prompt="a dog"))
    (found,) = compare([wrong], {"bright": BRIGHT})
    assert found.outcomes == [] and "have different prompts" in found.failures["a/0.png"]


def test_the_command_says_by_what_it_paired_and_lists_the_pairs():
    put({f"a/a_{i}.png": 9 - i for i in range(4)} | {f"b/b_{i}.png": i for i in (0, 1, 3)})
    done = CliRunner().invoke(app, ["compare", "a", "b", "--pairs"])
    assert done.stdout == "a/a_0.png ~ b/b_0.png\na/a_1.png ~ b/b_1.png\na/a_3.png ~ b/b_3.png\n"
    assert (
        "3 pairs by number in the name" in done.stderr
        and "1 image of a has no partner: a/a_2.png" in done.stderr
    )
    listed = json.loads(CliRunner().invoke(app, ["compare", "a", "b", "--pairs", "--json"]).stdout)
    assert listed["only_a"] == ["a/a_2.png"] and listed["pairs"][2]["b"] == "b/b_3.png"
    command = ["compare", "a", "b", "-r", "saturation"]
    assert "of 3 pairs by number in the name (" in CliRunner().invoke(app, command).stdout
    (verdict,) = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert verdict["paired_by"] == "number in the name"


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
