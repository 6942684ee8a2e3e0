"""The table: recounted by brute force, and never silent about what is missing."""

import hashlib
import json
import random
import subprocess
import sys

import pytest

from rankkit import RankkitError
from rankkit.analysis.stats import wilson
from rankkit.core.types import Identity
from rankkit.io.formats import replacing
from rankkit.io.rows import row
from rankkit_geneval import prompts
from rankkit_geneval.summary import as_text, summarize
from rankkit_geneval.vocabulary import TASKS

PROMPTS = prompts.evaluation_metadata()


def rows_of(verdicts, ranker="geneval", **options):
    """Rows of (metadata, verdicts of its images); None abstains."""
    made = []
    for number, (metadata, found) in enumerate(verdicts):
        for i, verdict in enumerate(found):
            details = (
                {"error": "broken file"} if verdict is None else {"tag": metadata["tag"], "correct": verdict}
            )
            made.append(
                row(
                    Identity(ranker, "0.1.0", options),
                    group=f"{number:05}",
                    prompt=metadata["prompt"],
                    image=f"{number:05}/samples/{i:04}.png",
                    sha256="",
                    kind="pointwise",
                    score=float("nan") if verdict is None else float(verdict),
                    details=details,
                )
            )
    return made


def drawn(images, seed=0, chance=0.6):
    rng = random.Random(seed)
    return [(metadata, [rng.random() < chance for _ in range(images)]) for metadata in PROMPTS]


def test_the_summary_equals_a_brute_force_recount():
    verdicts = drawn(4)
    summary = summarize(rows_of(verdicts))
    flat = [(metadata["tag"], verdict) for metadata, found in verdicts for verdict in found]
    expected = {
        task: sum(v for t, v in flat if t == task) / sum(t == task for t, _ in flat) for task in TASKS
    }
    assert {score.task: score.score for score in summary.tasks} == pytest.approx(expected)
    assert summary.overall.score == pytest.approx(sum(expected.values()) / 6)
    assert summary.images == pytest.approx(sum(v for _, v in flat) / len(flat))
    assert summary.prompts == pytest.approx(sum(any(found) for _, found in verdicts) / 553)
    assert (summary.overall.images, summary.overall.prompts, summary.missing) == (2212, 553, ())


def test_overall_is_the_mean_of_tasks_and_not_of_images():
    verdicts = [(metadata, [metadata["tag"] == "counting"]) for metadata in PROMPTS]
    summary = summarize(rows_of(verdicts))
    assert summary.overall.score == pytest.approx(1 / 6)
    assert summary.images == pytest.approx(80 / 553)


def test_with_one_image_per_prompt_the_interval_is_wilsons():
    count = {"two_object": 55, "counting": 34, "position": 13}
    seen = dict.fromkeys(TASKS, 0)
    verdicts = []
    for metadata in PROMPTS:
        seen[metadata["tag"]] += 1
        verdicts.append((metadata, [seen[metadata["tag"]] <= count.get(metadata["tag"], 50)]))
    scores = {score.task: score for score in summarize(rows_of(verdicts)).tasks}
    assert (scores["two_object"].low, scores["two_object"].high) == wilson(55 / 99, 99)
    shown = {task: (round(100 * scores[task].low), round(100 * scores[task].high)) for task in count}
    assert shown == {"two_object": (46, 65), "counting": (32, 53), "position": (8, 21)}


def test_images_of_one_prompt_are_not_counted_as_independent():
    alike = [(metadata, [i % 2 == 0] * 4) for i, metadata in enumerate(PROMPTS)]
    for wide, narrow in zip(
        summarize(rows_of(alike)).tasks, summarize(rows_of(drawn(4, chance=0.5))).tasks, strict=True
    ):
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_task_that_is_all_right_is_not_certain_and_the_overall_interval_holds_its_score():
    summary = summarize(rows_of([(metadata, [True]) for metadata in PROMPTS]))
    assert summary.overall.score == 1 and 0.97 < summary.overall.low < summary.overall.high == 1
    mixed = summarize(rows_of(drawn(1))).overall
    assert mixed.low < mixed.score < mixed.high and mixed.high - mixed.low < 0.1


def test_a_missing_task_is_never_hidden():
    rows = rows_of([pair for pair in drawn(1) if pair[0]["tag"] != "position"])
    with pytest.raises(RankkitError, match="task position"):
        summarize(rows)
    summary = summarize(rows, partial=True)
    assert summary.overall is None and summary.missing == ("position",)
    assert "no overall score: nothing was judged of position" in as_text(summary)


def test_images_that_abstained_do_not_shrink_the_denominator_in_silence():
    verdicts = drawn(1)
    verdicts[0] = (verdicts[0][0], [None, True])
    with pytest.raises(RankkitError, match="1 images abstained"):
        summarize(rows_of(verdicts))
    (single, *_) = summarize(rows_of(verdicts), partial=True).tasks
    assert (single.abstained, single.images) == (1, 80)


def test_rows_of_other_rankers_are_left_alone_but_two_genevals_are_not_mixed():
    verdicts = drawn(1)
    other = [{**found, "ranker": "clip", "details": {}} for found in rows_of(verdicts)]
    assert summarize(rows_of(verdicts) + other).overall.images == 553
    with pytest.raises(RankkitError, match=r"2 rankers"):
        summarize(rows_of(verdicts) + rows_of(verdicts, checkpoint="mine"))


def test_rows_without_geneval_and_tasks_that_are_not_genevals_are_refused():
    with pytest.raises(RankkitError, match="single_object, two_object"):
        summarize([])
    with pytest.raises(RankkitError, match="no image has a verdict of geneval"):
        summarize([], partial=True)
    with pytest.raises(RankkitError, match="rows have the task 'mine', which GenEval does not"):
        summarize(rows_of([({"tag": "mine", "prompt": "x"}, [True])]), partial=True)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_the_command_reads_every_format_of_rows(tmp_path, suffix, command):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    with replacing(tmp_path / f"rows.{suffix}") as write:
        for each in rows_of(drawn(1)):
            write(each)
    code, text, said = command("summary", tmp_path / f"rows.{suffix}")
    assert code == 0, said
    lines = text.decode().splitlines()
    assert [line.split()[0] for line in lines[1:8]] == [*TASKS, "overall"]
    assert lines[-1] == "553 prompts judged; the benchmark has 553"
    found = json.loads(command("summary", tmp_path / f"rows.{suffix}", "--json")[1])
    assert found["overall"]["score"] == pytest.approx(summarize(rows_of(drawn(1))).overall.score)


def test_the_command_prints_the_published_prompts_to_the_byte(command):
    assert hashlib.sha256(command("prompts")[1]).hexdigest() == prompts.SHA256


def test_the_command_says_what_is_wrong_in_one_line(tmp_path, command):
    for arguments, code, named in (
        (("summary", tmp_path / "rows.jsonl"), 1, "rows.jsonl"),
        (("convert", tmp_path / "m.pth", tmp_path / "out"), 1, "m.pth"),
        (("summary", tmp_path / "rows.txt"), 2, "rows.txt"),
    ):
        left, shown, said = command(*arguments)
        assert (left, shown) == (code, b"")
        assert said.startswith(b"error: ") and named.encode() in said and said.count(b"\n") == 1
    assert command("summary")[0] == 2


def test_prompts_and_summary_work_without_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['x', 'prompts']; import runpy; "
        "runpy.run_module('rankkit_geneval')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert result.returncode == 0 and len(result.stdout.splitlines()) == 553, result.stderr
