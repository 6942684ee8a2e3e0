"""What servers were seen to answer, and what comes of it."""

import json
import math

import pytest

from rankkit import RunStopped


def one(judge, group):
    (ranking,) = judge.rank([group])
    return ranking


# --- errors in an answer that bears the status of a good one ---


def test_an_error_under_a_status_of_success_is_tried_again_as_that_error(load, fake, greys):
    judge = load(concurrency=1)
    fault = fake.fault
    fake.play("error-in-200")
    playing = fake.fault
    fake.fault = lambda number, body: playing(number, body) if number in (1, 2) else fault(number, body)
    assert one(judge, greys(40, 200)).ranks == (2, 1) and len(fake.requests) == 5


@pytest.mark.parametrize(
    ("manner", "said"),
    [("error-in-200", "200 with error 429: Provider returned error slow down please"),
     ("error-in-choice", "200 with error 502: Upstream went away")],
)  # fmt: skip
def test_an_error_under_a_status_of_success_says_what_the_provider_said(load, fake, greys, manner, said):
    fake.play(manner, after=1)
    ranking = one(load(tries=2), greys(40, 200))
    assert all(math.isnan(score) for score in ranking.scores) and said in ranking.details[0]["error"]
    with pytest.raises(RunStopped, match=said):
        load(tries=2, cache=None).rank([greys(10, 60, 110)])


def test_no_credit_ends_the_run_whatever_the_status(load, fake):
    fake.play("quota-in-200")
    with pytest.raises(RunStopped, match="no credit left"):
        load()
    assert len(fake.requests) == 1


def test_an_account_that_is_busy_for_a_moment_is_not_without_credit(load, fake, greys):
    busy = (402, {"error": {"message": "budget in flight"}}, {"Retry-After": "0"})
    fake.fault = lambda number, body: busy if number == 1 else None
    assert one(load(), greys(40, 200)).ranks == (2, 1)


def test_a_caption_that_moderation_flags_costs_its_own_group_only(load, fake, greys):
    flagged = (403, {"error": {"message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}})
    fake.fault = lambda number, body: flagged if "battle" in str(body["messages"]) else None
    refused, judged = load().rank([greys(10, 60, 110, prompt="a battle"), greys(40, 200)])
    assert refused.details[0]["judge"]["failures"] == {"refused": 6} and judged.ranks == (2, 1)


def test_a_body_in_the_encoding_that_it_names_is_read(load, fake, greys):
    answer = fake.answer

    def in_latin(number, body):
        data = json.dumps({**answer(body), "note": "é"}, ensure_ascii=False).encode("latin-1")
        return 200, data, {"Content-Type": "application/json; charset=iso-8859-1"}

    fake.fault = in_latin
    assert one(load(), greys(40, 200)).ranks == (2, 1)


def test_what_no_terminal_shows_is_left_out_of_messages(load, fake):
    fake.fault = lambda number, body: (400, b'{"error": {"message": "odd \\ud800 \\u001b[31m words"}}')
    with pytest.raises(RunStopped) as caught:
        load()
    assert str(caught.value).isprintable() and "words" in str(caught.value)


def test_a_name_of_a_model_that_no_file_can_hold_is_kept_as_it_can_be(load, fake, greys):
    fake.served = "x\ud800"
    assert one(load(), greys(40, 200)).details[0]["model"] == "brightness-1 (x?)"


def test_a_stream_that_nobody_asked_for_is_said(load, fake):
    fake.fault = lambda number, body: (200, b'data: {"choices": []}\n\ndata: [DONE]\n\n')
    with pytest.raises(RunStopped, match="a stream of events, for which nobody asked"):
        load(tries=1)


# --- what no retry can mend ---


@pytest.mark.parametrize(
    ("manner", "advice"),
    [
        ("no-mmproj", "--mmproj FILE"),
        ("no-image-input", "give another model="),
        ("one-image-only", "--limit-mm-per-prompt"),
        ("unknown-model", "give model=NAME of one that it serves: brightness-1, brightness-2"),
    ],
)
def test_what_no_retry_can_mend_ends_the_run_at_once_with_its_own_advice(load, fake, greys, manner, advice):
    fake.models = ["brightness-1", "brightness-2"]
    fake.play(manner)
    with pytest.raises(RunStopped) as caught:
        load()
    assert advice in str(caught.value) and "brightness-1 cannot judge" in str(caught.value)
    assert len(fake.requests) == 1
    fake.play(manner, after=2)
    with pytest.raises(RunStopped) as caught:
        one(load(concurrency=1), greys(40, 120, 200))
    assert advice.split(":")[0] in str(caught.value) and len(fake.requests) == 3


# --- answers that are none, and odd ones ---


@pytest.mark.parametrize(
    ("manner", "said"),
    [
        ("web-page", "answered a web page that is not JSON: <!DOCTYPE html>.*usually ends in /v1"),
        ("nothing", "answered something that is not JSON: nothing"),
        ("half-a-body", "answered something that is not JSON: .*content"),
        ("nested", r"answered something that is not JSON: \[\[\["),
        ("no-choices", "the answer is not a chat completion"),
    ],
)
def test_an_answer_that_is_none_is_one_message_and_later_a_missing_comparison(
    load, fake, greys, manner, said
):
    fake.play(manner)
    with pytest.raises(RunStopped, match=said):
        load(tries=2)
    fake.requests.clear()
    fake.play(manner, after=1)
    ranking = one(load(tries=2), greys(40, 200))
    assert all(math.isnan(score) for score in ranking.scores)
    assert ranking.details[0]["judge"]["failures"] == {"transport": 2}


def test_an_answer_of_another_model_is_not_taken_for_one_of_the_first(load, fake, greys):
    fake.play("other-model", after=5)
    ranking = one(load(concurrency=1), greys(40, 120, 200))
    assert ranking.details[0]["judge"]["failures"] == {"other_model": 2}
    assert len(fake.requests) == 7
    fake.play("no-choices", after=99)
    one(load(), greys(40, 120, 200))
    assert len(fake.requests) == 7 + 1 + 2  # those two are asked again


def test_log_probabilities_may_be_written_as_texts(load, fake, greys):
    fake.play("scores-as-strings")
    ranking = one(load(), greys(40, 200))
    assert ranking.ranks == (2, 1) and ranking.details[0]["asked_for"] == "logprob, else text"


@pytest.mark.parametrize("manner", ["nan-scores", "words-for-scores"])
def test_log_probabilities_that_are_no_numbers_are_not_used(load, fake, greys, manner):
    fake.play(manner)
    ranking = one(load(), greys(40, 200))
    assert ranking.ranks == (2, 1) and ranking.details[0]["asked_for"] == "text"
    fake.requests.clear()
    fake.play(manner, after=1)
    ranking = one(load(mode="logprob"), greys(40, 200))
    assert "low_mass: its log-probabilities are none: {'A': nan" in ranking.details[0]["error"]


def test_tokens_that_are_not_counted_in_numbers_count_as_none(load, fake, greys):
    fake.play("words-for-usage")
    ranking = one(load(), greys(40, 200))
    assert ranking.ranks == (2, 1) and "tokens" not in ranking.details[0]["judge"]
