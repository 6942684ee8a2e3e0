"""What `agree` cannot judge abstains with its reason, and files of any size are streamed."""

import json
import math

import pytest
from human_choices import (
    guess,
    pickapic,
    plain_pairs,
    png,
    put,
    ranked,
    truth,
    write,
)

from rankkit import Ranking, Scored, build, pointwise
from rankkit.analysis.agree import BATCH, agree
from rankkit.analysis.agree_report import accuracies, lines, to_dict
from rankkit.errors import BadSource


class Watching:
    """Notes the size of every call, and ranks by truth."""

    def __init__(self):
        self.calls = []

    def rank(self, groups, /):
        self.calls.append([len(group.images) for group in groups])
        return truth().rank(groups)


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


# --- abstentions ---


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
