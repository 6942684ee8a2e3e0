"""How often a ranker chooses as people did: accuracy, ties, Kendall, and the report."""

import json
import math
from dataclasses import replace

import pytest
from human_choices import guess, plain_pairs, put, ranked, reverse, tau, truth, write

from rankkit import Group, Ranking, build, mean_rank, pairwise, pointwise
from rankkit.analysis.agree import agree
from rankkit.analysis.agree_report import accuracies, lines, to_dict
from rankkit.errors import BadSource, UsageError
from rankkit.registry.published import Published


def constant():
    return build(pointwise(lambda image: 1.0))


class First:
    """A listwise ranker that likes whatever is shown first."""

    def rank(self, groups, /):
        return [Ranking(tuple(-float(i) for i in range(len(group.images)))) for group in groups]


# --- accuracy, ties, Kendall ---


def test_who_knows_the_truth_gets_one_and_who_guesses_about_a_half(tmp_path):
    report = agree(plain_pairs(tmp_path, 200), {"truth": truth(), "guess": guess()})
    knows, guesses = report.rankers
    assert knows.accuracy == 1.0 and knows.low > 0.95 and knows.high == 1.0 and knows.p_value < 1e-6
    assert 0.4 < guesses.accuracy < 0.6 and guesses.low <= 0.5 <= guesses.high and guesses.p_value > 0.05
    assert any("not significant: this could be chance" in line and "guess" in line for line in lines(report))


def test_pairs_of_one_prompt_are_one_cluster(tmp_path):
    path = plain_pairs(tmp_path, 100, prompts=5)
    found = agree(path, {"truth": truth()}).rankers[0]
    assert (found.pairs, found.prompts) == (100, 5)
    assert found.low == pytest.approx(5 / (5 + 1.959964**2), abs=1e-6)  # Wilson at five clusters, all won


def test_entries_without_a_prompt_are_clusters_of_their_own(tmp_path):
    good, bad = put(tmp_path, "g.png", 200), put(tmp_path, "b.png", 20)
    path = write(tmp_path / "p.json", [{"prompt": "", "image_a": good, "image_b": bad, "choice": "a"}] * 4)
    assert agree(path, {"truth": truth()}).rankers[0].prompts == 4


@pytest.mark.parametrize(
    ("ties", "accuracy", "pairs"), [("half", 0.5, 6), ("wrong", 0.0, 6), ("drop", math.nan, 0)]
)
def test_the_ties_policy_decides_what_equal_scores_count_and_is_said(tmp_path, ties, accuracy, pairs):
    report = agree(plain_pairs(tmp_path, 6), {"constant": constant(), "truth": truth()}, ties=ties)
    found = report.rankers[0]
    assert found.accuracy == pytest.approx(accuracy, nan_ok=True)
    assert (found.pairs, found.ties, found.abstained, report.rankers[1].accuracy) == (pairs, 6, 0, 1.0)
    assert any(f"ties={ties}" in line for line in lines(report))
    assert to_dict(report)["ties"] == ties


def test_kendall_of_a_ranker_with_itself_is_one_and_with_its_reverse_minus_one(tmp_path):
    entries = []
    for prompt, ranks in (("a", [2, 1, 3]), ("b", [4, 3, 2, 1])):
        entry, names = ranked(tmp_path, ranks, prompt=prompt)
        entries.append({**entry, "image_path": names, "rank": ranks})
    report = agree(
        write(tmp_path / "t.json", entries),
        {"truth": truth(), "again": truth(), "reverse": reverse(), "flat": constant()},
    )
    assert (tau(report, "truth", "truth").tau, tau(report, "truth", "truth").groups) == (1.0, 2)
    assert tau(report, "truth", "again").tau == 1.0
    assert tau(report, "truth", "reverse").tau == -1.0
    assert tau(report, "reverse", "(humans)").tau == -1.0
    assert math.isnan(tau(report, "truth", "flat").tau) and tau(report, "truth", "flat").groups == 0


def test_kendall_is_averaged_within_a_prompt_before_over_prompts(tmp_path):
    entries = []
    for prompt, greens in (
        ("even", (1, 2)),
        ("even", (3, 4)),
        ("odd", (2, 1)),
    ):  # red and green agree twice, and once they do not
        a, b = (put(tmp_path, f"{prompt}{greens[i]}.png", 10 * (i + 1), greens[i]) for i in (0, 1))
        entries.append({"prompt": prompt, "image_a": a, "image_b": b, "choice": "b"})
    green = build(pointwise(lambda image: image.getpixel((0, 0))[1]))
    found = tau(agree(write(tmp_path / "p.json", entries), {"red": truth(), "green": green}), "red", "green")
    assert (found.tau, found.groups, found.prompts) == (0.0, 3, 2)


def test_humans_join_the_matrix_only_where_they_ranked_more_than_two(tmp_path):
    report = agree(plain_pairs(tmp_path, 3), {"truth": truth()})
    assert [(found.first, found.second) for found in report.kendall] == [("truth", "truth")]


def test_pairwise_and_listwise_rankers_are_asked_the_same_way(tmp_path):
    judge = build(
        pairwise(lambda first, second: 0.9 if first.getpixel((0, 0))[0] > second.getpixel((0, 0))[0] else 0.1)
    )
    panel = mean_rank({"truth": truth(), "flat": constant()})
    entry, names = ranked(tmp_path, [3, 1, 2])
    path = write(tmp_path / "t.json", [{**entry, "generations": names, "ranking": [3, 1, 2]}])
    assert [found.accuracy for found in agree(path, {"judge": judge, "panel": panel}).rankers] == [1.0, 1.0]


def test_a_liking_for_the_first_place_gains_nothing(tmp_path):
    names = [put(tmp_path, "1.png", 200), put(tmp_path, "2.png", 100)]
    path = write(
        tmp_path / "all.json", [{"prompt": f"p{i}", "path1": names[0], "path2": names[1]} for i in range(300)]
    )
    found = agree(path, {"first": First()}).rankers[0]
    assert found.low <= 0.5 <= found.high


# --- requests and reports ---


def test_a_bad_request_says_what_to_do(tmp_path):
    path = plain_pairs(tmp_path, 2)
    one = {"truth": truth()}
    for call, words in (
        (lambda: agree(path, {}), "-r"),
        (lambda: agree(path, one, ties="maybe"), "half, wrong, drop"),
        (lambda: agree(path, one, limit=0), "limit=0"),
        (lambda: agree(path, one, images=tmp_path / "no"), "no such folder"),
        (lambda: agree(tmp_path / "no.json", one), "no such file"),
    ):
        with pytest.raises(UsageError, match=words):
            call()


def test_a_file_without_decisions_is_refused(tmp_path):
    with pytest.raises(BadSource, match="humans decided none"):
        agree(plain_pairs(tmp_path, 2, choice="tie"), {"truth": truth()})


def test_the_report_is_text_a_table_and_json(tmp_path):
    path = plain_pairs(tmp_path, 8)
    report = agree(path, {"truth": truth(), "flat": constant()}, ties="drop")
    text = lines(report)
    assert text[0] == f"{path}: plain pairs, 8 entries, 8 prompts, 8 pairs decided by humans"
    assert accuracies(report)[0] == [
        "ranker",
        "accuracy",
        "95 % interval",
        "pairs",
        "prompts",
        "ties",
        "abstained",
    ]
    assert accuracies(report)[1] == ["truth", "1.000", "0.676 to 1.000", "8", "8", "0", "0"]
    assert any(line.startswith("Kendall") for line in text)
    data = json.loads(json.dumps(to_dict(report), allow_nan=False))
    assert data["rankers"][0]["accuracy"] == 1.0 and data["rankers"][1]["accuracy"] is None
    assert data["kendall"][0] == {"first": "truth", "second": "truth", "tau": 1.0, "groups": 8, "prompts": 8}


def test_the_group_a_ranker_sees_does_not_tell_what_humans_chose(tmp_path):
    seen = []

    class Curious:
        def rank(self, groups, /):
            seen.extend(groups)
            return truth().rank(groups)

    agree(plain_pairs(tmp_path, 2), {"c": Curious()})
    assert all(
        isinstance(group, Group) and not group.metadata and group.id.startswith("line") for group in seen
    )


def test_what_was_published_stands_beside_the_accuracy_with_its_source(tmp_path):
    put(tmp_path, "a.png", 200), put(tmp_path, "b.png", 10)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"prompt": "p", "image_a": "a.png", "image_b": "b.png", "choice": "a"}))
    report = agree(pairs, {"truth": truth(), "other": constant()})
    assert "published" not in accuracies(report)[0]
    known = replace(report, published=(Published("truth", "MMRB2", 0.6, "A 2025, table 3"),))
    header, first, second = accuracies(known)
    assert [row[header.index("published")] for row in (first, second)] == ["0.600", "-"]
    assert "published: 0.600 of truth on MMRB2, its test split: A 2025, table 3" in lines(known)
    assert to_dict(known)["published"] == [
        {"ranker": "truth", "data": "MMRB2", "accuracy": 0.6, "source": "A 2025, table 3"}
    ]
