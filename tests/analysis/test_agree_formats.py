"""Files of human choices, in every published layout, as `agree` takes them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from human_choices import pickapic, plain_pairs, png, put, ranked, reverse, tau, truth, write

from rankkit.analysis.agree import agree


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
