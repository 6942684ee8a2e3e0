"""The judge over HTTP: what it asks, what it makes of the answers, what it keeps."""

import json
import math
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import rankkit
from rankkit import RunStopped
from rankkit.errors import BadOption
from rankkit.testing import check_ranker


def one(judge, group):
    (ranking,) = judge.rank([group])
    return ranking


NO_PROMPTS = {"prompts-matter": "the fake server judges by brightness alone"}


def test_vlm_judge_passes_the_contract_check(load):
    check_ranker(load(), reload=lambda **options: load(**options), skip=NO_PROMPTS)


def test_brighter_images_win_whatever_the_position_bias(load, fake, greys):
    fake.bias = 1.5
    ranking = one(load(), greys(40, 200, 120))
    assert ranking.ranks == (3, 1, 2) and ranking.kind == "pairwise"
    judge = ranking.details[0]["judge"]
    assert judge["position_bias"] == pytest.approx(1.5, abs=0.01)
    assert judge["calls"] == 6 and judge["tokens"] == 600 and judge["circular_triads"] == 0
    assert all(error > 0 for error in ranking.stderr)


def test_a_question_is_a_caption_two_images_and_a_demand_for_one_letter_with_every_setting_said(
    load, fake, greys
):
    one(load(criteria="Prefer the one with more cats."), greys(40, 200, prompt="two cats"))
    body = fake.requests[-1]
    assert [part["type"] for part in body["messages"][1]["content"]] == [
        "text",
        "image_url",
        "text",
        "image_url",
        "text",
        "text",
    ]
    assert (
        "two cats" in body["messages"][1]["content"][0]["text"]
        and "more cats" in body["messages"][0]["content"]
    )
    assert "exactly one letter" in body["messages"][1]["content"][-1]["text"]
    said = {
        name: body[name]
        for name in (
            "max_tokens",
            "temperature",
            "top_p",
            "repetition_penalty",
            "seed",
            "logprobs",
            "top_logprobs",
        )
    }
    assert said == {
        "max_tokens": 1,
        "temperature": 0,
        "top_p": 1,
        "repetition_penalty": 1,
        "seed": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_every_verdict_is_kept_and_never_asked_for_again(load, fake, greys):
    first = one(load(), greys(40, 200, 120))
    asked = len(fake.requests)
    assert one(load(), greys(120, 40, 200)).scores == (first.scores[2], first.scores[0], first.scores[1])
    assert len(fake.requests) == asked + 1  # the probe


def test_what_decides_an_answer_is_part_of_what_it_is_kept_under(load, fake, greys):
    group = greys(40, 200)
    variations = [{}, {"criteria": "Another"}, {"max_side": 16}, {"mode": "text"}, {"mode": "logprob"}]
    for options in variations:
        one(load(**options), group)
    one(load(), greys(40, 200, prompt="another"))
    fake.served = "brightness-1-0613"
    one(load(), group)
    assert len(fake.requests) == 7 + 2 * 7


def test_the_pair_in_the_other_group_is_the_same_question(load, fake, greys):
    load().rank([greys(40, 200), greys(200, 40)])
    assert len(fake.requests) == 1 + 2


def test_a_run_that_was_killed_and_goes_on_equals_one_that_was_not(load, fake, greys, tmp_path):
    groups = [greys(10, 60, 110, 160, id=str(i), prompt=f"prompt {i}") for i in range(3)]
    whole = load(cache=str(tmp_path / "other.sqlite")).rank(groups)
    with pytest.raises(RunStopped):
        load(max_calls=20, concurrency=3).rank(groups)
    asked = len(fake.requests)
    assert load().rank(groups) == whole
    assert len(fake.requests) == asked + 1 + (3 * 12 - 19)


SCRIPT = """
import sys, rankkit
from PIL import Image
judge = rankkit.load("vlm-judge", url=sys.argv[1], model="brightness-1", cache=sys.argv[2], concurrency=2)
greys = tuple(Image.new("RGB", (24, 24), (v, v, v)) for v in (10, 60, 110, 160, 210))
judge.rank([rankkit.Group("a bright image", greys)])
"""


def test_a_kill_loses_only_what_was_under_way(load, fake, greys, tmp_path):
    fake.latency = 0.05
    cache = str(tmp_path / "verdicts.sqlite")
    with subprocess.Popen([sys.executable, "-c", SCRIPT, fake.url, cache]) as process:
        until = time.monotonic() + 30
        while len(fake.requests) < 9 and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
    asked, fake.latency = len(fake.requests), 0.0
    assert one(load(), greys(10, 60, 110, 160, 210)).ranks == (5, 4, 3, 2, 1)
    again = len(fake.requests) - asked - 1
    assert asked >= 9 and 20 - (asked - 1) <= again <= 20 - (asked - 1) + 4


def test_the_usual_cache_is_in_the_folder_for_caches(fake, load, greys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    one(load(cache="usual"), greys(40, 200))
    assert (tmp_path / "caches" / "rankkit" / "verdicts.sqlite").is_file()


def test_the_cap_on_calls_is_never_passed_and_ends_the_run_with_a_message(load, fake, greys):
    judge = load(max_calls=9)
    with pytest.raises(RunStopped, match=r"max_calls=9 .* what was judged is kept"):
        judge.rank([greys(10, 60, 110, 160)])
    assert len(fake.requests) == 9
    with pytest.raises(RunStopped):
        judge.rank([greys(11, 61)])
    assert len(fake.requests) == 9


def test_groups_that_were_judged_completely_are_ranked_after_the_budget_is_spent(load, fake, greys):
    judge = load(max_calls=1 + 6 + 2, concurrency=1)
    done, half = greys(10, 60, 110), greys(10, 60, 110, prompt="other")
    with pytest.raises(RunStopped):
        judge.rank([done, half])
    assert one(judge, done).ranks == (3, 2, 1)


def test_the_cap_on_tokens_is_kept_but_for_the_first_requests_whose_size_nobody_knows(load, fake, greys):
    with pytest.raises(RunStopped, match="max_tokens=1000"):
        load(max_tokens=1000, concurrency=4).rank([greys(10, 60, 110, 160)])
    assert len(fake.requests) == 10


def test_no_more_requests_are_under_way_than_the_concurrency(load, fake, greys):
    """Twelve questions after the first request: each is answered once three others are there as well."""
    together = threading.Barrier(4, timeout=30)

    def wait(number, body):
        if number:
            together.wait()

    fake.fault = wait
    one(load(concurrency=4), greys(10, 60, 110, 160))
    assert fake.most_under_way == 4 and len(fake.requests) == 13


def test_where_the_letters_are_not_what_the_model_wants_to_say_it_is_asked_for_a_text(load, fake, greys):
    judge = load()
    fake.mass = 0.2
    ranking = one(judge, greys(40, 200))
    assert ranking.ranks == (2, 1) and ranking.details[0]["judge"]["tokens"] == 400
    assert [body["max_tokens"] for body in fake.requests] == [1, 1, 1, 512, 512]


def test_in_logprob_mode_a_low_mass_is_a_failure_and_nothing_else_is_asked(load, fake, greys):
    judge = load(mode="logprob")
    fake.mass = 0.2
    ranking = one(judge, greys(40, 200))
    assert all(math.isnan(score) for score in ranking.scores)
    assert "low_mass: the first token was A or B with probability 0.20" in ranking.details[0]["error"]
    assert ranking.details[0]["judge"]["failures"] == {"low_mass": 2} and len(fake.requests) == 3


def test_a_server_without_log_probabilities_is_asked_for_texts(load, fake, greys):
    fake.logprobs = False
    assert one(load(), greys(40, 200)).ranks == (2, 1)
    with pytest.raises(rankkit.RankkitError, match="mode=text"):
        load(mode="logprob")


def test_a_server_that_calls_an_answer_without_room_a_bad_request_is_given_room_too(load, fake, greys):
    words = (
        "Could not finish the message because max_tokens or model output limit was reached. Please try again "
        "with higher max_tokens."
    )
    fake.logprobs = False
    fake.fault = lambda number, body: (
        (400, {"error": {"message": words}}) if body["max_tokens"] < 600 else None
    )
    assert one(load(), greys(*range(40, 200, 40))).ranks == (4, 3, 2, 1)


@pytest.mark.parametrize("mode", ["auto", "text"])
def test_a_model_that_thinks_before_it_answers_is_given_room(load, fake, greys, mode):
    answer = fake.answer

    def thinking(body):
        found = answer({**body, "logprobs": False})
        if body["max_tokens"] < 600:
            found["choices"][0] = {
                "finish_reason": "length",
                "message": {"content": None, "reasoning_content": "Let me see"},
            }
        return found

    fake.answer = thinking
    assert one(load(mode=mode), greys(40, 200)).ranks == (2, 1)
    assert [body["max_tokens"] for body in fake.requests] == [1, 512, 512, 2048, 2048]


def test_a_text_without_a_verdict_is_asked_for_once_more_and_tersely(load, fake, greys):
    fake.says = lambda body, better: better if body["max_tokens"] == 16 else "Both are lovely."
    ranking = one(load(mode="text"), greys(40, 200))
    assert ranking.ranks == (2, 1) and [body["max_tokens"] for body in fake.requests[1:]] == [
        512,
        512,
        16,
        16,
    ]


def talker(body, better):
    """Says what it likes unless it is bound."""
    return json.dumps({"answer": better}) if "response_format" in body else "Both are lovely."


def test_a_model_that_will_not_decide_is_bound_to_the_labels_where_the_server_can_do_that(load, fake, greys):
    fake.logprobs, fake.says = False, talker
    assert one(load(), greys(40, 200)).ranks == (2, 1)
    bound = [
        body["response_format"]["json_schema"]["schema"]
        for body in fake.requests
        if "response_format" in body
    ]
    assert len(bound) == 2 and bound[0]["properties"]["answer"]["enum"] == ["A", "B"]
    ranking = one(load("vqa", mode="text"), greys(40, 200))
    assert ranking.scores == (0, 1)


def test_a_server_that_takes_no_schema_is_asked_without_one_and_told_of_it_once(load, fake, greys):
    fake.says = lambda body, better: better if body["max_tokens"] == 16 else "Both are lovely."
    fake.fault = lambda number, body: (400, {"error": "unknown field"}) if "response_format" in body else None
    assert one(load(mode="text", concurrency=1), greys(40, 120, 200)).ranks == (3, 2, 1)
    assert sum("response_format" in body for body in fake.requests) == 1
    fake.latency = 0.02  # so that many are under way when the first is refused
    assert one(load(mode="text", cache=None), greys(*range(10, 80, 10))).ranks == tuple(range(7, 0, -1))


def test_a_text_that_never_has_a_verdict_is_a_missing_comparison_and_not_a_tie(load, fake, greys):
    judge = load(mode="text")
    fake.says = lambda body, better: "A or B"
    ranking = one(judge, greys(40, 200))
    assert all(math.isnan(score) for score in ranking.scores) and "unparsed" in ranking.details[0]["error"]
    assert len(fake.requests) == 1 + 4


def test_an_answer_that_is_cut_off_is_given_more_room_once(load, fake, greys):
    judge, answer = load(mode="text"), fake.answer

    def long_winded(body):
        found = answer(body)
        if body["max_tokens"] < 2000:
            found["choices"][0].update(finish_reason="length", message={"content": "Image A shows a long"})
        return found

    fake.answer = long_winded
    assert one(judge, greys(40, 200)).ranks == (2, 1)
    assert [body["max_tokens"] for body in fake.requests[1:]] == [512, 512, 2048, 2048]


def test_a_refusal_is_a_missing_comparison_and_is_not_asked_for_again(load, fake, greys):
    fake.fault = lambda number, body: "refuse" if number in (1, 2) else None
    ranking = one(load(), greys(40, 200))
    assert "refused" in ranking.details[0]["error"] and ranking.details[0]["judge"]["failures"] == {
        "refused": 2
    }
    one(load(), greys(40, 200))
    assert len(fake.requests) == 4  # two probes


def test_a_failure_is_kept_for_audit_and_asked_for_again(load, fake, greys, tmp_path):
    fake.fault = lambda number, body: (418, {"error": "teapot"}) if number in (1, 2) else None
    assert math.isnan(one(load(), greys(40, 200)).scores[0])
    rows = (
        sqlite3.connect(tmp_path / "verdicts.sqlite")
        .execute("select outcome, error from verdicts")
        .fetchall()
    )
    assert [outcome for outcome, _ in rows] == ["rejected"] * 2 and "teapot" in rows[0][1]
    assert one(load(), greys(40, 200)).ranks == (2, 1)


def test_vqa_scores_how_probably_the_answer_is_yes(load, fake, greys):
    ranking = one(load("vqa"), greys(26, 128, 230))
    assert ranking.kind == "pointwise" and ranking.ranks == (3, 2, 1)
    assert ranking.scores == pytest.approx([0.0182, 0.505, 0.982], abs=0.01)
    assert "Yes or No" in fake.requests[-1]["messages"][1]["content"][-1]["text"]


def test_rows_name_the_model_that_judged_and_what_it_was_asked_for(load, fake, greys):
    fake.served = "brightness-1-0613"
    for name in ("vlm-judge", "vqa"):
        whom = [
            {key: each[key] for key in ("model", "asked_for")}
            for each in one(load(name, model=None), greys(40, 200)).details
        ]
        assert whom == [{"model": "brightness-1 (brightness-1-0613)", "asked_for": "logprob, else text"}] * 2
    fake.logprobs = False
    assert one(load(), greys(40, 200)).details[0]["asked_for"] == "text"


def test_vqa_passes_the_contract_check(load):
    check_ranker(load("vqa"), reload=lambda **options: load("vqa", **options), skip=NO_PROMPTS)


def test_rows_say_which_questions_were_asked():
    from rankkit.plugin import prepare

    assert "+questions." in prepare("vlm-judge:url=http://127.0.0.1:9/v1").identity.version


SHARED = {
    "url": None, "model": None, "mode": "auto", "cache": "usual", "max_calls": None, "max_tokens": None,
    "concurrency": 16, "timeout": 60.0, "tries": 6, "backoff": 0.5, "patience": 120.0, "api_key_env": None,
    "device": "auto", "dtype": "auto", "batch_size": 8, "max_answer_tokens": 2048, "thinking": "auto",
    "request": None, "max_cost": None, "price_in": None, "price_out": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("vlm-judge", {"criteria": None, "max_side": 768, "degree": 8, "repeat": 0.0}),
        ("vqa", {"max_side": 768}),
    ],
)
def test_both_rankers_take_the_same_connection_options_and_their_own(name, own):
    with pytest.raises(BadOption) as refused:
        rankkit.load(f"{name}:nothing=1")
    listed = str(refused.value).split("its options: ")[1].split(", ")
    assert sorted(listed) == sorted(f"{key}={value}" for key, value in {**SHARED, **own}.items())
