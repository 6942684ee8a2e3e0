"""GenEval 2's Soft-TIFA: every atom of a prompt is asked for, and both means are told."""

import json
import math

import pytest

import rankkit
from rankkit.cli import main
from rankkit.testing import check_ranker

ATOMS = {
    "vqa_list": [
        ["How many cats are in the image?", "two"],
        ["Are the cats white?", "Yes"],
        ["Are there any cats in the image?", "Yes"],
    ],
    "skills": ["count", "attribute", "object"],
    "atom_count": 3,
}
CHANCES = {"two": 0.5, "Two": 0.2, " 2": 0.1, "Yes": 0.6, " yes": 0.3}


def one(ranker, *groups):
    (ranking,) = ranker.rank(groups)
    return ranking


def group(greys, metadata=ATOMS, prompt="two white cats"):
    return rankkit.Group(prompt, greys(200).images, metadata=metadata)


@pytest.fixture
def counting(fake):
    """The server says with which probability each of `CHANCES` is its first word."""
    answer = fake.answer

    def answers(body):
        found = answer(body)
        text = body["messages"][-1]["content"][-1]["text"]
        keys = ("two", "Two", " 2") if text.startswith("How many") else ("Yes", " yes")
        if "Image A" not in str(body) and body.get("logprobs"):
            top = [{"token": key, "logprob": math.log(CHANCES[key])} for key in keys]
            rest = 1 - sum(CHANCES[key] for key in keys)
            top += [{"token": f"x{i}", "logprob": math.log(rest / 17)} for i in range(17)]
            found["choices"][0]["logprobs"] = {"content": [{"token": "x", "top_logprobs": top}]}
        return found

    fake.answer = answers
    return fake


def test_each_atom_is_one_question_in_the_published_words(load, counting, greys):
    one(load("geneval2", mean="am"), group(greys))
    texts = sorted(body["messages"][0]["content"][-1]["text"] for body in counting.requests[1:])
    assert texts == sorted(f"{question} Answer in one word." for question, _ in ATOMS["vqa_list"])
    assert all(len(body["messages"]) == 1 and body["max_tokens"] == 1 for body in counting.requests[1:])


def test_the_arithmetic_mean_is_of_the_answers_probabilities_in_all_their_ways(load, counting, greys):
    ranking = one(load("geneval2", mean="am"), group(greys))
    assert ranking.scores == pytest.approx(((0.8 + 0.9 + 0.9) / 3,), abs=0.02)
    details = ranking.details[0]
    assert details["gm"] == pytest.approx((0.8 * 0.9 * 0.9) ** (1 / 3))
    assert details["skills"] == pytest.approx({"count": 0.8, "attribute": 0.9, "object": 0.9})
    assert details["atoms"][0] == ["How many cats are in the image?", "two", pytest.approx(0.8)]


def test_one_skill_can_be_scored_alone_and_is_absent_where_a_prompt_has_none(load, counting, greys):
    assert one(load("geneval2", skill="attribute"), group(greys)).scores == pytest.approx((0.9,), abs=0.03)
    ranking = one(load("geneval2", skill="verb"), group(greys))
    assert math.isnan(ranking.scores[0]) and "skill 'verb'" in ranking.details[0]["error"]


def test_a_geometric_mean_that_a_short_list_of_tokens_leaves_open_is_an_abstention(load, fake, greys):
    """The fake lists Yes, No and another word: what is not listed could be the difference."""
    ranker = load("geneval2")
    answer = fake.answer

    def never_two(body):
        found = answer(body)
        found["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = [
            {"token": "Yes", "logprob": math.log(0.9)}, {"token": "a", "logprob": math.log(0.005)},
        ]  # fmt: skip
        return found

    fake.answer = never_two
    ranking = one(ranker, group(greys))
    assert (
        math.isnan(ranking.scores[0])
        and "the gm of the answers is between 0.000" in ranking.details[0]["error"]
    )


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, r"needs the atoms of a prompt \(vqa_list\).*geneval2_data.jsonl"),
        ({"vqa_list": ["How many?"]}, "no list of pairs"),
        ({"vqa_list": [["Is it red?", "No"]]}, "has the answer 'No'"),
        ({"vqa_list": ATOMS["vqa_list"], "skills": ["count"]}, "a word for each of 3 questions"),
    ],
)
def test_metadata_without_atoms_that_can_be_asked_for_abstains_and_asks_nothing(
    load, fake, greys, metadata, message
):
    import re

    ranking = one(load("geneval2"), group(greys, metadata))
    assert math.isnan(ranking.scores[0]) and re.search(message, ranking.details[0]["error"])
    assert len(fake.requests) == 1


def write(path, prompts):
    lines = [{"prompt": prompt, **ATOMS, "atom_count": 3 + i} for i, prompt in enumerate(prompts)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_atoms_are_found_by_the_prompt_in_the_file_that_data_names(load, counting, greys, tmp_path):
    data = write(tmp_path / "geneval2_data.jsonl", ["two white cats", "another"])
    ranking = one(load("geneval2", mean="am", data=data), group(greys, {}))
    assert ranking.scores == pytest.approx((0.867,), abs=0.02)
    assert math.isnan(one(load("geneval2", data=data), group(greys, {}, "a third")).scores[0])


def test_a_folder_is_scored_with_the_benchmarks_file_as_prompts_and_told_by_atom_count(
    counting, greys, tmp_path, monkeypatch, capsys
):
    for number, level in enumerate((40, 200)):
        greys(level).images[0].save(tmp_path / f"{number}.png")
    data, rows = (
        write(tmp_path / "geneval2_data.jsonl", ["two white cats", "another"]),
        tmp_path / "rows.jsonl",
    )
    spec = f"geneval2:url={counting.url},model=brightness-1,mean=am,cache=none"
    for command in (
        ["score", str(tmp_path), "--prompts", data, "-r", spec, "-o", str(rows)],
        ["table", str(rows), "--by", "atom_count"],
    ):
        monkeypatch.setattr("sys.argv", ["rankkit", *command])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
    scored = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["prompt"] for row in scored] == ["two white cats", "another"]
    assert all(row["score"] == pytest.approx(0.867, abs=0.02) for row in scored)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "0.86667" in line]
    assert [line[0] for line in lines] == ["3", "4"]


def test_geneval2_passes_the_contract_check(load, counting, greys):
    groups = [rankkit.Group("two white cats", greys(10, 120, 250).images, "a", metadata=ATOMS)]
    skip = {"images-matter": "the fake says the same of any image", "opinion": "so it does",
            "prompts-matter": "and of any prompt"}  # fmt: skip
    check_ranker(load("geneval2", mean="am"), groups=groups, skip=skip)
