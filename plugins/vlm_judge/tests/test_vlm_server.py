"""Servers that misbehave: what is tried again, what is given up, what ends the run, and why."""

import math
import time

import pytest

from rankkit import RankkitError, RunStopped
from rankkit.errors import BadOption

LIMIT = (429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})


def one(judge, group):
    (ranking,) = judge.rank([group])
    return ranking


@pytest.mark.parametrize(
    "fault",
    [
        LIMIT,
        (500, b"oops"),
        (503, {"detail": "loading"}),
        (408, b""),
        (409, b""),
        "truncate",
        "html",
        "die",
        "hang",
        "dribble",
        "drip",
    ],
)
def test_what_passes_is_tried_again(load, fake, greys, fault):
    fake.fault = lambda number, body: fault if number in (1, 2) else None
    ranking = one(load(timeout=0.3), greys(40, 200))
    assert ranking.ranks == (2, 1) and len(fake.requests) == 5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(LIMIT, "rate_limited"), ((500, b"oops"), "transport"), ("die", "transport"), ("hang", "timeout")],
)
def test_what_does_not_pass_is_a_missing_comparison_with_a_reason(load, fake, greys, fault, kind):
    chosen = []

    def always_the_same(number, body):
        if number == 1:
            chosen.append(body)
        return fault if body in chosen else None

    fake.fault = always_the_same
    ranking = one(load(timeout=0.2, tries=2, concurrency=1), greys(40, 120, 200))
    assert not any(math.isnan(score) for score in ranking.scores) and ranking.ranks == (3, 2, 1)
    judge = ranking.details[0]["judge"]
    assert judge["failures"] == {kind: 1} and judge["degraded"] is False


def test_a_pause_that_the_server_asks_for_is_kept(load, fake, greys):
    fake.fault = lambda number, body: (429, b"", {"Retry-After": "1"}) if number == 1 else None
    start = time.monotonic()
    one(load(concurrency=1), greys(40, 200))
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize("pause", ["86400", "inf", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_pause_that_nobody_waits_for_is_said_at_once(load, fake, greys, pause):
    fault = (429, {"error": {"message": "daily limit"}}, {"Retry-After": pause})
    fake.fault = lambda number, body: fault if number else None
    ranking = one(load(), greys(40, 200))
    assert "rate_limited: " in ranking.details[0]["error"] and len(fake.requests) == 3
    assert "which is not waited for" in ranking.details[0]["error"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((405, {"error": "no POST here"}), "usually ends in /v1"),
        ((400, [{"error": {"code": 400, "message": "API key not valid."}}]), "400: API key not valid"),
        (
            (401, {"error": {"message": "no key"}}),
            "401: no key; name the environment variable that holds the key: api_key_env=",
        ),
        ((403, {"error": {"message": "not you"}}), "403: not you"),
        ((403, b"<!DOCTYPE html><title>Attention Required!</title>"), "page is of a firewall or proxy"),
        (
            (404, {"error": {"message": "no model x"}}),
            "404: no model x; give the base URL, which usually ends in /v1",
        ),
        ((402, {"error": "pay"}), "no credit left"),
        ((429, {"error": {"message": "quota", "code": "insufficient_quota"}}), "no credit left"),
        ((301, b"", {"Location": "/elsewhere"}), "301"),
    ],
)
def test_what_would_fail_every_request_ends_the_run_at_once_and_says_what_to_do(
    load, fake, greys, fault, said
):
    fake.fault = lambda number, body: fault if number == 3 else None
    judge = load(concurrency=1)
    with pytest.raises(RunStopped) as caught:
        one(judge, greys(40, 120, 200))
    assert said in str(caught.value) and "kept" in str(caught.value) and fake.url in str(caught.value)
    assert len(fake.requests) == 4
    fake.fault = lambda number, body: None
    assert one(load(), greys(40, 120, 200)).ranks == (3, 2, 1)
    assert len(fake.requests) == 4 + 1 + 4  # two verdicts were kept


def test_a_server_that_dies_ends_the_run_and_what_was_judged_is_kept(load, fake, greys):
    fake.fault = lambda number, body: "die" if number > 4 else None
    with pytest.raises(RunStopped, match=r"[56] requests.*What was judged is kept"):
        load(tries=2).rank([greys(10, 60, 110, 160)])
    fake.fault = lambda number, body: None
    asked = len(fake.requests)
    one(load(), greys(10, 60, 110, 160))
    assert len(fake.requests) == asked + 1 + 12 - 4


def test_a_server_that_is_gone_ends_the_run_after_it_was_waited_for(load, fake, greys):
    judge = load(tries=2, patience=0.2)
    fake.fault, fake.away = lambda number, body: "die", lambda: True
    with pytest.raises(RunStopped, match=r"patience=0.2.*What was judged is kept"):
        one(judge, greys(40, 120, 200))


def test_a_server_that_is_restarted_costs_no_comparison(load, fake, greys):
    away = []

    def restart(number, body):
        if number == 4:
            away.append(time.monotonic() + 0.5)
        return "die" if away and time.monotonic() < away[0] else None

    fake.fault, fake.away = restart, lambda: bool(away) and time.monotonic() < away[0]
    ranking = one(load(tries=2, patience=20.0, concurrency=4), greys(10, 60, 110, 160))
    judge = ranking.details[0]["judge"]
    assert ranking.ranks == (4, 3, 2, 1) and judge["failed_calls"] == 0


def test_requests_that_a_well_server_refuses_are_missing_comparisons_however_many(load, fake, greys):
    fake.fault = lambda number, body: (400, {"error": {"message": "image too thin"}}) if number == 1 else None
    assert one(load(), greys(40, 120, 200)).details[0]["judge"]["failures"] == {"rejected": 1}
    fake.fault = lambda number, body: (400, {"error": {"message": "no"}}) if "other" in str(body) else None
    refused, judged = load().rank([greys(10, 60, 110, 160, prompt="other"), greys(20, 70)])
    assert refused.details[0]["judge"]["failures"] == {"rejected": 12} and judged.ranks == (2, 1)


def test_an_image_that_a_server_fails_on_costs_its_own_comparisons_only(load, fake, greys):
    group = greys(*range(10, 250, 30))
    one(load(cache=None), greys(10, 40))  # the image is the same in every request that shows it
    image = fake.requests[-1]["messages"][1]["content"][1]["image_url"]["url"]
    fake.fault = lambda number, body: (500, b"cannot decode") if image in str(body) else None
    ranking = one(load(tries=1, concurrency=1), group)
    judge = ranking.details[0]["judge"]
    assert judge["failures"] == {"transport": 14} and sum(map(math.isnan, ranking.scores)) == 1
    calm = load(tries=1, concurrency=1, cache=None)
    fake.fault = lambda number, body: (500, b"cannot decode") if "dark" in str(body) else None
    with pytest.raises(RunStopped, match="requests in a row"):
        calm.rank([greys(*range(10, 250, 30), prompt="a dark image")])


def test_an_image_that_a_content_policy_refuses_is_a_refusal(load, fake, greys):
    refusal = (400, {"error": {"message": "blocked", "code": "content_policy_violation"}})
    fake.fault = lambda number, body: refusal if number else None
    ranking = one(load(), greys(40, 80, 120, 160))
    assert ranking.details[0]["judge"]["failures"] == {"refused": 12}


# --- at construction ---


def test_nobody_there_is_said_at_once(load):
    for model in ("brightness-1", None):
        with pytest.raises(RunStopped, match=r"http://127\.0\.0\.1:1/v1.*refused"):
            load(url="http://127.0.0.1:1/v1", model=model, backoff=3600.0)  # that nobody waits for


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (LIMIT, "answered 429: slow down .*asked too often: wait, and lower concurrency="),
        ("hang", "no complete answer within timeout=0.2 .*give it more time with timeout="),
        ((503, {"detail": "loading"}), "answered 503: loading .*see that the server is running"),
    ],
)
def test_a_server_that_cannot_answer_a_first_question_is_said_with_what_to_do(load, fake, fault, said):
    fake.fault = lambda number, body: fault
    with pytest.raises(RunStopped, match=f"brightness-1 cannot judge: .*{said}"):
        load(tries=2, timeout=0.2)


@pytest.mark.parametrize(
    "message", [{"content": None}, {"content": None, "refusal": "I cannot help with that."}]
)
def test_a_first_question_that_a_filter_refuses_is_said_to_be_refused(load, fake, message):
    choice = {"index": 0, "finish_reason": "content_filter", "message": message}
    fake.fault = lambda number, body: (200, {"model": "brightness-1", "choices": [choice]})
    with pytest.raises(
        RunStopped, match=r"refused a first question: .*(content_filter|I cannot help).*another"
    ):
        load()


def test_a_key_that_is_not_accepted_is_not_asked_for_as_if_there_were_none(load, fake, monkeypatch):
    fake.key = "sk-secret"
    monkeypatch.setenv("JUDGE_KEY", "sk-wrong")
    with pytest.raises(RunStopped, match="401.*api_key_env="):
        load(api_key_env="JUDGE_KEY")


def test_without_a_cache_it_is_not_said_that_verdicts_are_kept(load, fake, greys):
    with pytest.raises(RunStopped, match=r"cache=none"):
        load(cache=None, max_calls=3).rank([greys(40, 120, 200)])


def test_a_wrong_path_is_said_at_once(load, fake):
    with pytest.raises(RunStopped, match="which usually ends in /v1"):
        load(url=fake.url.removesuffix("/v1"))


def test_a_query_of_the_url_is_kept_behind_the_path(load, fake, greys):
    assert one(load(url=f"{fake.url}?api-version=1"), greys(40, 200)).ranks == (2, 1)
    assert fake.paths[-1] == "/v1/chat/completions?api-version=1"


def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(load, monkeypatch):
    for key in ("sk-\nsecret", "sk-secrét"):
        monkeypatch.setenv("JUDGE_KEY", key)
        with pytest.raises(RankkitError, match="api_key_env=JUDGE_KEY holds characters") as caught:
            load(api_key_env="JUDGE_KEY")
        assert "secr" not in str(caught.value)


@pytest.mark.parametrize("tail", ["/", "/chat/completions", "/chat/completions/"])
def test_the_url_may_be_written_in_full(load, fake, tail):
    load(url=fake.url + tail)


def test_a_web_page_is_no_judge(load, fake):
    fake.fault = lambda number, body: "html"
    with pytest.raises(RunStopped, match="not JSON: <html>Welcome"):
        load(tries=2)


def test_a_model_without_eyes_is_said_at_once(load, fake):
    fake.fault = lambda number, body: (400, {"error": {"message": "At most 0 image(s) may be provided"}})
    with pytest.raises(RunStopped, match=r"brightness-1.*At most 0 image.*--limit-mm-per-prompt"):
        load()


def test_the_key_comes_from_the_environment_and_is_never_repeated(load, fake, greys, monkeypatch, tmp_path):
    fake.key = "sk-secret"
    with pytest.raises(BadOption, match="no option 'api_key'"):
        load(api_key="sk-secret")
    with pytest.raises(RankkitError, match="api_key_env=JUDGE_KEY: there is no such"):
        load(api_key_env="JUDGE_KEY")
    monkeypatch.setenv("JUDGE_KEY", "sk-secret")
    assert one(load(api_key_env="JUDGE_KEY"), greys(40, 200)).ranks == (2, 1)
    monkeypatch.setenv("JUDGE_KEY", "sk-wrong")
    with pytest.raises(RunStopped) as caught:
        load(api_key_env="JUDGE_KEY")
    assert "sk-wrong" not in str(caught.value) and b"sk-" not in (tmp_path / "verdicts.sqlite").read_bytes()


def test_no_key_is_sent_that_was_not_named(load, fake, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    load()
    assert "Authorization" not in fake.headers[0]


def test_the_only_model_of_a_server_need_not_be_named(load, fake, greys):
    assert (
        one(load(model=None), greys(40, 200)).ranks == (2, 1) and fake.requests[0]["model"] == "brightness-1"
    )
    fake.models = [None, "brightness-1", "\x1b[31m"]
    load(model=None)
    fake.models = ["one", "two"]
    with pytest.raises(RunStopped, match="2 models.*one, two"):
        load(model=None)


def test_what_a_server_does_not_take_is_left_out(load, fake, greys):
    def picky(number, body):
        for name in ("repetition_penalty", "seed"):
            if name in body:
                return 400, {"error": {"message": f"Unrecognized request argument supplied: {name}"}}
        if "max_tokens" in body:
            return 400, {
                "error": {
                    "message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
                }
            }
        if body.get("top_logprobs", 0) > 5:
            return 400, {"error": {"message": "top_logprobs must be at most 5"}}

    fake.fault = picky
    assert one(load(), greys(40, 200)).ranks == (2, 1)
    assert fake.requests[-1]["top_logprobs"] == 5 and fake.requests[-1]["max_completion_tokens"] == 1


def test_a_server_that_refuses_log_probabilities_is_asked_for_texts(load, fake, greys):
    fake.fault = lambda number, body: (
        (400, {"error": "logprobs are not supported"}) if "logprobs" in body else None
    )
    assert one(load(), greys(40, 200)).ranks == (2, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "host:8000"}, "not a web address"),
        ({"url": "http://me:pass@host/v1"}, "api_key_env"),
        ({"url": "http://host/v1?key=AIza"}, "api_key_env"),
        ({"url": "http://host/v1#chat"}, "not a web address"),
        ({"url": None, "model": None}, "whom to ask"),
        ({"max_calls": 0}, "max_calls=0"),
        ({"degree": 3}, "degree=3"),
        ({"thinking": "maybe"}, "thinking=maybe is not one of on, off, auto"),
        ({"mode": "letters"}, "mode=letters is not one of auto, logprob, text"),
        ({"max_side": 2}, "max_side=2"),
        ({"cache": "/dev/null/x.sqlite"}, "give another file with cache="),
    ],
)
def test_an_option_that_cannot_be_is_named(load, options, said):
    with pytest.raises(RankkitError, match=said):
        load(**options)


def test_a_file_of_something_else_is_not_written_into(load, tmp_path):
    import sqlite3

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as database:
        database.execute("create table songs (name text)")
    with pytest.raises(RankkitError, match="holds something else"):
        load(cache=str(other))
    (tmp_path / "text.sqlite").write_text("dear diary, " * 100)
    with pytest.raises(RankkitError, match="cannot keep verdicts"):
        load(cache=str(tmp_path / "text.sqlite"))


def test_without_a_cache_an_answer_is_remembered_for_the_run_only(load, fake, greys):
    judge = load(cache=None)
    one(judge, greys(40, 200))
    one(judge, greys(40, 200))
    assert len(fake.requests) == 3
