import io
import json
import math
import random
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rankkit import Group, Ranking, Scored, build, mean_rank, pairwise, pointwise
from rankkit.analysis.agree import BATCH, agree
from rankkit.analysis.agree_report import accuracies, lines, to_dict
from rankkit.errors import BadSource, UsageError
from rankkit.registry.published import Published

# The quality of an image is its red value: a ranker that reads it knows the truth.


def solid_image(quality, green=0):
    return Image.new("RGB", (8, 8), (quality, green, 0))


def png(quality, green=0):
    buffer = io.BytesIO()
    solid_image(quality, green).save(buffer, "PNG")
    return buffer.getvalue()


def put(folder, name, quality, green=0):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(quality, green))
    return name


def truth():
    return build(pointwise(lambda image: image.getpixel((0, 0))[0]))


def reverse():
    return build(pointwise(lambda image: -image.getpixel((0, 0))[0]))


def constant():
    return build(pointwise(lambda image: 1.0))


def guess(seed=0):
    source = random.Random(seed)
    return build(pointwise(lambda image: source.random()))


class First:
    """A listwise ranker that likes whatever is shown first."""

    def rank(self, groups, /):
        return [Ranking(tuple(-float(i) for i in range(len(group.images)))) for group in groups]


class Watching:
    """Notes the size of every call, and ranks by truth."""

    def __init__(self):
        self.calls = []

    def rank(self, groups, /):
        self.calls.append([len(group.images) for group in groups])
        return truth().rank(groups)


def write(path, entries):
    text = "\n".join(map(json.dumps, entries)) if path.suffix == ".jsonl" else json.dumps(entries, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def plain_pairs(folder, n=20, prompts=None, choice="a"):
    entries = []
    for i in range(n):
        a, b = put(folder, f"{i}a.png", 200, i % 250), put(folder, f"{i}b.png", 100, i % 250)
        entries.append(
            {"prompt": f"prompt {i % (prompts or n)}", "image_a": a, "image_b": b, "choice": choice}
        )
    return write(folder / "pairs.jsonl", entries)


def ranked(folder, ranks, **fields):
    """An entry with one image per rank, whose quality follows the rank (1 is best)."""
    names = [
        put(folder, f"{fields.get('prompt', 'x')}/{i}.png", 250 - 10 * int(rank or 0), i)
        for i, rank in enumerate(ranks)
    ]
    return {"prompt": "x", **fields}, names


def tau(report, first, second):
    return next(
        k
        for k in report.kendall
        if {k.first, k.second} == {first, second} and (first != second or k.first == k.second)
    )


# --- formats ---


def test_hpdv2_ranks_are_read_with_1_as_the_best(tmp_path):
    entries = []
    for prompt, ranks in (("a", [2, 1, 3]), ("b", [1, 2, 2, 4])):
        entry, names = ranked(tmp_path, ranks, prompt=prompt)
        raw = [{"rank": ranks[::-1], "user_hash": "u"}]
        entries.append({**entry, "image_path": names, "rank": ranks, "raw_annotations": raw})
    report = agree(write(tmp_path / "test.json", entries), {"truth": truth(), "reverse": reverse()})
    assert (report.format, report.entries, report.prompts, report.pairs, report.human_ties) == (
        "HPDv2 test",
        2,
        2,
        8,
        1,
    )
    assert [found.accuracy for found in report.rankers] == [1.0, 0.0]
    assert tau(report, "truth", "(humans)").tau == pytest.approx(1.0)


def test_hpdv2_preference_lists_are_read_with_1_as_the_chosen(tmp_path):
    names = [put(tmp_path, "x.png", 10), put(tmp_path, "y.png", 99)]
    path = write(tmp_path / "train.json", [{"prompt": "p", "file_path": names, "human_preference": [0, 1]}])
    report = agree(path, {"truth": truth()})
    assert (report.format, report.pairs, report.rankers[0].accuracy) == ("HPDv2 choices", 1, 1.0)


def test_hpdv3_prefers_path1(tmp_path):
    for name, quality in (("images/1.png", 90), ("images/2.png", 30)):
        put(tmp_path, name, quality)
    entry = {"prompt": "p", "path1": "images/1.png", "path2": "images/2.png", "model1": "m", "model2": "n"}
    more = [
        {**entry, "choice_dist": [12, 7], "confidence": 0.99},
        {**entry, "choice_dist": None, "confidence": None},
        entry,
    ]
    report = agree(write(tmp_path / "all.json", more), {"truth": truth(), "reverse": reverse()})
    assert (report.format, report.pairs, report.prompts) == ("HPDv3", 3, 1)
    assert [found.accuracy for found in report.rankers] == [1.0, 0.0]


def test_imagereward_rankings_are_read_with_ties(tmp_path):
    ranks = [1, 2, 5, 2]
    entry, names = ranked(tmp_path, ranks)
    path = write(
        tmp_path / "test.json", [{"id": "005-0040", **entry, "generations": names, "ranking": ranks}]
    )
    report = agree(path, {"truth": truth()})
    assert (report.format, report.pairs, report.human_ties, report.rankers[0].accuracy) == (
        "ImageReward test",
        5,
        1,
        1.0,
    )


def pickapic(path, rows, row_group_size=2):
    columns = {
        "caption": pa.array([row.get("caption", f"p{i}") for i, row in enumerate(rows)]),
        "created_at": pa.array([datetime(2023, 1, 1, 0, 0, 0, 1)] * len(rows), pa.timestamp("ns")),
        "jpg_0": pa.array([row.get("jpg_0", png(200)) for row in rows], pa.binary()),
        "jpg_1": pa.array([row.get("jpg_1", png(100)) for row in rows], pa.binary()),
        "label_0": pa.array([row.get("label_0", 1.0) for row in rows], pa.float64()),
        "has_label": pa.array([row.get("has_label", True) for row in rows], pa.bool_()),
        "user_id": pa.array([1] * len(rows), pa.int64()),
    }
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def test_pickapic_parquet_is_read_with_ties_and_unlabelled_rows(tmp_path):
    rows = [
        {},
        {"label_0": 0.5},
        {"label_0": 0.0, "jpg_0": png(1), "jpg_1": png(9)},
        {"has_label": False, "label_0": None},
    ]
    report = agree(pickapic(tmp_path / "test.parquet", rows), {"truth": truth()})
    assert (report.format, report.entries, report.pairs, report.human_ties, report.undecided) == (
        "Pick-a-Pic",
        4,
        2,
        1,
        1,
    )
    assert report.rankers[0].accuracy == 1.0
    assert not report.abstained


def test_an_embedded_image_that_is_broken_or_missing_abstains_by_row(tmp_path):
    report = agree(
        pickapic(tmp_path / "x.parquet", [{}, {"jpg_1": b"no"}, {"jpg_0": None}]), {"truth": truth()}
    )
    assert [(bad.where, bad.image) for bad in report.unreadable] == [
        ("row 2", "row 2, image 2"),
        ("row 3", "row 3, image 1"),
    ]
    assert (report.unreadable_pairs, report.rankers[0].pairs) == (2, 1)


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_plain_choices_are_words_or_the_index_of_the_chosen_image(tmp_path, suffix):
    good, bad = put(tmp_path, "good.png", 200), put(tmp_path, "bad.png", 20)
    choices = [
        ("a", good, bad),
        ("A", good, bad),
        (0, good, bad),
        ("b", bad, good),
        ("B", bad, good),
        (1, bad, good),
        ("tie", bad, good),
    ]
    entries = [{"prompt": "p", "image_a": a, "image_b": b, "choice": choice} for choice, a, b in choices]
    report = agree(write(tmp_path / f"pairs{suffix}", entries), {"truth": truth()})
    assert (report.format, report.pairs, report.human_ties, report.rankers[0].accuracy) == (
        "plain pairs",
        6,
        1,
        1.0,
    )


def test_chosen_and_rejected_columns_are_read_from_parquet_with_images_of_the_datasets_library(tmp_path):
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    put(tmp_path, "b.png", 10)
    columns = {
        "prompt": pa.array(["p"]),
        "chosen": pa.array([{"bytes": png(99), "path": "a.png"}], kind),
        "rejected": pa.array([{"bytes": None, "path": "b.png"}], kind),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    report = agree(tmp_path / "x.parquet", {"truth": truth()})
    assert (report.format, report.rankers[0].accuracy) == ("chosen and rejected", 1.0)


def test_an_image_without_a_rank_is_left_out(tmp_path):
    entry, names = ranked(tmp_path, [1, None, 3])
    report = agree(
        write(tmp_path / "t.json", [{**entry, "image_path": names, "rank": [1, None, 3]}]), {"truth": truth()}
    )
    assert (report.pairs, report.rankers[0].pairs, report.rankers[0].accuracy) == (1, 1, 1.0)


def test_paths_start_from_the_folder_of_the_file_or_the_one_given(tmp_path):
    path = plain_pairs(tmp_path / "data", 3)
    elsewhere = tmp_path / "pairs.jsonl"
    elsewhere.write_bytes(path.read_bytes())
    assert agree(elsewhere, {"truth": truth()}).unreadable_pairs == 3
    assert agree(elsewhere, {"truth": truth()}, images=tmp_path / "data").rankers[0].accuracy == 1.0


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


# --- abstentions ---


HOSTILE = [
    ("../secret.png", "leads outside"),
    ("a/../../secret.png", "leads outside"),
    ("..\\secret.png", "leads outside"),
    ("/etc/hostname", "absolute"),
    ("C:\\x.png", "absolute"),
    ("\\\\server\\x.png", "absolute"),
    ("https://example.org/x.png", "web address"),
    ("", "names no file"),
    ("folder/", "names no file"),
    ("folder", "is a folder"),
    ("missing.png", "does not exist"),
    ("nul\0l.png", "cannot be read"),
    ("\ud800.png", "cannot be read"),
    ("text.png", "not an image"),
    ("empty.png", "empty"),
    ("torn.png", "cannot be decoded"),
    ("x" * 5000 + ".png", "cannot be read"),
]


def test_bad_images_abstain_with_their_reason_and_everything_else_goes_on(tmp_path):
    put(tmp_path, "secret.png", 255)
    folder = tmp_path / "data"
    path = plain_pairs(folder, 4)
    (folder / "folder").mkdir()
    (folder / "text.png").write_text("hello, I am no image")
    (folder / "empty.png").write_bytes(b"")
    (folder / "torn.png").write_bytes(png(3)[:-30])
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    entries += [
        {"prompt": f"h{i}", "image_a": "0a.png", "image_b": name, "choice": "a"}
        for i, (name, _) in enumerate(HOSTILE)
    ]
    report = agree(write(path, entries), {"truth": truth()})
    assert (report.unreadable_pairs, report.unreadable_images, report.rankers[0].pairs) == (
        len(HOSTILE),
        len(HOSTILE),
        4,
    )
    for bad, (name, reason) in zip(report.unreadable, HOSTILE, strict=True):
        assert reason in bad.reason, (name, bad.reason)
    assert report.abstained and report.unreadable[0].where == "line 5"
    text = "\n".join(lines(report))
    assert f"{len(HOSTILE)} pairs abstain" in text and "missing.png: does not exist" in text
    json.dumps(to_dict(report), allow_nan=False).encode()


def test_one_bad_image_of_a_group_costs_only_its_own_pairs(tmp_path):
    entry, names = ranked(tmp_path, [1, 2, 3])
    names[1] = "gone.png"
    report = agree(
        write(tmp_path / "t.json", [{**entry, "image_path": names, "rank": [1, 2, 3]}]), {"truth": truth()}
    )
    assert (report.pairs, report.unreadable_pairs, report.unreadable_images) == (3, 2, 1)
    assert (report.rankers[0].pairs, report.rankers[0].accuracy) == (1, 1.0)


def test_names_with_terminal_codes_are_shown_escaped(tmp_path):
    path = plain_pairs(tmp_path, 1)
    entries = [
        json.loads(path.read_text()),
        {"prompt": "p", "image_a": "\x1b[2Jevil", "image_b": "0a.png", "choice": "a"},
    ]
    assert "\x1b" not in "".join(lines(agree(write(path, entries), {"truth": truth()})))


def test_more_unreadable_images_than_fit_are_counted(tmp_path):
    entries = [
        {"prompt": "p", "image_a": f"{i}.png", "image_b": f"{i}b.png", "choice": "a"} for i in range(30)
    ]
    report = agree(write(tmp_path / "p.json", entries), {"truth": truth()})
    assert (report.unreadable_images, len(report.unreadable)) == (60, 20)
    assert any("and 40 more" in line for line in lines(report))
    assert accuracies(report)[1][1:3] == ["-", "-"]


def test_a_ranker_that_needs_a_prompt_abstains_where_there_is_none(tmp_path):
    good, bad = put(tmp_path, "g.png", 200), put(tmp_path, "b.png", 20)
    entries = [
        {"prompt": prompt, "image_a": good, "image_b": bad, "choice": "a"} for prompt in ("p", "", "  ", None)
    ]
    seen = []

    def reads(image, prompt):
        seen.append(prompt)
        return image.getpixel((0, 0))[0]

    report = agree(write(tmp_path / "p.json", entries), {"reads": build(pointwise(reads)), "truth": truth()})
    reads_found, truth_found = report.rankers
    assert (reads_found.pairs, reads_found.abstained, truth_found.pairs, set(seen)) == (1, 3, 4, {"p"})
    assert "needs a prompt" in next(iter(reads_found.reasons))


def test_scores_that_are_missing_abstain_with_the_rankers_reason(tmp_path):
    def picky(image):
        return Scored(math.nan, details={"error": "too red"}) if image.getpixel((0, 0))[0] > 150 else 1.0

    found = agree(plain_pairs(tmp_path, 3), {"picky": build(pointwise(picky))}).rankers[0]
    assert (found.pairs, found.abstained, found.reasons) == (0, 3, {"too red": 3})


def test_a_ranker_that_raises_abstains_on_that_group_only(tmp_path):
    class Fragile:
        def rank(self, groups, /):
            if any(group.prompt == "prompt 1" for group in groups):
                raise RuntimeError("no, not this one")
            return truth().rank(groups)

    found = agree(plain_pairs(tmp_path, 5), {"fragile": Fragile()}).rankers[0]
    assert (found.pairs, found.accuracy, found.reasons) == (4, 1.0, {"RuntimeError: no, not this one": 1})


def test_reasons_that_never_repeat_are_counted_together_in_the_end(tmp_path):
    count = iter(range(1000))
    chatty = build(pointwise(lambda image: Scored(math.nan, details={"error": f"reason {next(count)}"})))
    found = agree(plain_pairs(tmp_path, 80), {"chatty": chatty}).rankers[0]
    assert found.abstained == 80 and len(found.reasons) == 51 and found.reasons["other reasons"] == 30


@pytest.mark.parametrize("answer", [[], [Ranking((1.0,))], [None]])
def test_a_ranker_that_breaks_the_protocol_is_named(tmp_path, answer):
    class Broken:
        def rank(self, groups, /):
            return answer

    report = agree(plain_pairs(tmp_path, 1), {"broken": Broken()})
    assert report.abstained and all("broken returned" in reason for reason in report.rankers[0].reasons)


# --- streaming ---


def test_rankers_see_at_most_64_images_a_call_and_every_group_once(tmp_path):
    entries = []
    for i in range(30):
        entry, names = ranked(tmp_path, [1, 2, 3, 4, 5], prompt=f"p{i}")
        entries.append({**entry, "image_path": names, "rank": [1, 2, 3, 4, 5]})
    watching, seen = Watching(), []
    agree(
        write(tmp_path / "t.json", entries),
        {"w": watching},
        progress=lambda done, total: seen.append((done, total)),
    )
    assert max(map(sum, watching.calls)) <= BATCH and sum(map(sum, watching.calls)) == 150
    assert seen[-1] == (30, 30) and [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_a_group_larger_than_a_call_is_ranked_whole(tmp_path):
    ranks = list(range(1, BATCH + 7))
    names = [put(tmp_path, f"{i}.png", 255 - i) for i in ranks]
    watching = Watching()
    report = agree(
        write(tmp_path / "t.json", [{"prompt": "p", "generations": names, "ranking": ranks}]), {"w": watching}
    )
    assert watching.calls == [[len(ranks)]] and report.rankers[0].pairs == math.comb(len(ranks), 2)


def test_images_do_not_pile_up(tmp_path):
    alive, most = [], 0

    class Counting:
        def rank(self, groups, /):
            nonlocal most
            import gc
            import weakref

            gc.collect()
            alive.extend(weakref.ref(image) for group in groups for image in group.images)
            most = max(most, sum(ref() is not None for ref in alive))
            return truth().rank(groups)

    agree(plain_pairs(tmp_path, 300), {"c": Counting()})
    assert most <= 2 * BATCH + 2


def test_entries_without_an_image_to_rank_do_not_pile_up_either(tmp_path):
    seen = []
    rows = [{"has_label": False}] * 200 + [{}]
    report = agree(
        pickapic(tmp_path / "t.parquet", rows),
        {"truth": truth()},
        progress=lambda done, total: seen.append(done),
    )
    assert (report.undecided, report.pairs) == (200, 1)
    assert seen == [64, 128, 192, 201]


def test_limit_takes_the_first_entries_and_evaluations_no_further(tmp_path):
    path = plain_pairs(tmp_path, 5)
    path.write_text(path.read_text() + "\nthis is not JSON")
    report = agree(path, {"truth": truth()}, limit=3)
    assert (report.entries, report.rankers[0].pairs) == (3, 3)
    assert "the first 3 entries" in lines(report)[0]


def test_a_file_is_checked_to_its_end_before_anything_is_ranked(tmp_path):
    path = plain_pairs(tmp_path, 5)
    path.write_text(
        path.read_text() + '\n{"prompt": "p", "image_a": "0a.png", "image_b": "0b.png", "choice": "maybe"}'
    )
    watching = Watching()
    with pytest.raises(BadSource, match=r"pairs.jsonl, line 6: its choice is 'maybe'"):
        agree(path, {"w": watching})
    assert watching.calls == []


def test_the_order_of_entries_and_the_number_of_rankers_change_nothing(tmp_path):
    path = plain_pairs(tmp_path, 40, prompts=7)
    alone = agree(path, {"sharp": truth()}).rankers[0]
    assert agree(path, {"guess": guess(), "sharp": truth()}).rankers[1] == alone


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
