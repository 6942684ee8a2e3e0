"""What a run may cost, and how often a judge is asked again to see whether it agrees with itself."""

import pytest

from rankkit import RunStopped
from rankkit.errors import BadOption
from rankkit_vlm_judge.budget import Budget, Caps, Usage

PRICES = {"price_in": 1000.0, "price_out": 4000.0}  # of a million: each of the server's answers is 0.13


def one(judge, group):
    (ranking,) = judge.rank([group])
    return ranking


def test_a_run_ends_before_it_costs_more_than_allowed_and_goes_on_next_time(load, fake, greys):
    group = greys(10, 60, 110, 160)
    with pytest.raises(RunStopped, match=r"of max_cost=1, 0\.91 was used.*what was judged is kept"):
        one(load(max_cost=1.0, concurrency=1, **PRICES), group)
    assert len(fake.requests) == 7
    assert one(load(max_cost=2.0, **PRICES), group).ranks == (4, 3, 2, 1)
    assert len(fake.requests) == 7 + 1 + (12 - 6)


def test_tokens_of_which_only_the_sum_is_known_cost_the_dearer_price():
    caps = Caps(price_in=1.0, price_out=5.0)
    assert caps.cost(Usage(read=1_000_000)) == 1 and caps.cost(Usage(either=1_000_000)) == 5


def test_requests_under_way_are_taken_for_as_dear_as_the_dearest_seen():
    budget = Budget(Caps(max_cost=10.0, price_in=1.0, price_out=1.0))
    budget.claim()
    budget.settle(Usage(read=3_000_000))
    budget.claim()
    budget.claim()
    with pytest.raises(RunStopped, match="2 requests are under way and the next may need 3"):
        budget.claim()


@pytest.mark.parametrize(
    ("cap", "name"), [({"max_cost": 5.0, **PRICES}, "max_cost=5"), ({"max_tokens": 5000}, "max_tokens=5000")]
)
def test_a_cap_that_a_server_does_not_let_us_keep_ends_the_run(load, fake, greys, cap, name):
    fake.play("no-usage")
    with pytest.raises(RunStopped, match=f"{name} cannot be kept: .*max_calls="):
        one(load(**cap), greys(40, 200))
    assert len(fake.requests) == 1
    assert one(load(), greys(40, 200)).ranks == (2, 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_cost": 1.0}, "needs the prices .* price_in= and price_out="),
        ({"max_cost": 1.0, "price_in": 2.0}, "needs the prices"),
        ({"max_cost": float("nan"), **PRICES}, "max_cost=nan is not an amount"),
        ({"price_in": -1.0}, "price_in=-1.0 is not an amount"),
        ({"max_cost": 1.0, **PRICES, "url": None}, "paid by the token"),
        ({"repeat": 1.5}, "repeat=1.5 is not a share"),
    ],
)
def test_amounts_that_cannot_be_are_named(load, options, said):
    with pytest.raises(BadOption, match=said):
        load(**options)


def test_a_share_of_pairs_is_asked_again_in_both_orders_and_only_once(load, fake, greys):
    ranking = one(load(repeat=0.5), greys(*range(10, 250, 30)))
    repeats = ranking.details[0]["judge"]["repeats"]
    assert 0 < repeats < 56 and repeats % 2 == 0 and len(fake.requests) == 1 + 56 + repeats
    assert ranking.details[0]["judge"]["repeat_consistency"] == 1
    assert ranking.details[0]["judge"]["tokens"] == 100 * (56 + repeats)
    again = one(load(repeat=0.5), greys(*reversed(range(10, 250, 30))))
    assert again.details[0]["judge"]["repeats"] == repeats and len(fake.requests) == 1 + 56 + repeats + 1


def test_a_judge_that_changes_its_mind_is_found_out(load, fake, greys):
    answer = fake.answer

    def fickle(body):
        fake.bias = 9.0 if fake.seen.most_common(1)[0][1] == 1 else -9.0
        return answer(body)

    fake.answer = fickle
    judge = one(load(repeat=1.0, concurrency=1), greys(40, 120, 200)).details[0]["judge"]
    assert judge["repeats"] == 6 and judge["repeat_consistency"] == 0


def test_scores_do_not_depend_on_whether_some_pairs_were_asked_again(load, fake, greys):
    group = greys(40, 120, 200)
    assert one(load(repeat=1.0), group).scores == one(load(cache=None), group).scores
