"""What a pairwise judge's groups say of it, added up and put into words."""

from rankkit.analysis.judge_reliability import total, words


def told(**more):
    usual = {
        "calls": 12,
        "failed_calls": 0,
        "pairs": 6,
        "swap_consistency": 0.5,
        "position_bias": 0.2,
        "connected": True,
        "ties": 1,
    }
    return {**usual, "triads": 4, "circular_triads": 1, "zeta": 0.5, "tokens": 1200, **more}


def test_counts_are_summed_and_shares_weighted_by_the_pairs_behind_them():
    failed = told(
        calls=20,
        failed_calls=8,
        pairs=2,
        swap_consistency=1.0,
        position_bias=-0.2,
        failures={"timeout": 5, "refused": 3},
    )
    run = total([told(), failed | {"connected": False, "degraded": True}])
    assert run["calls"] == 32 and run["failed_calls"] == 8 and run["pairs"] == 8 and run["tokens"] == 2400
    assert (
        run["swap_consistency"] == (6 * 0.5 + 2 * 1.0) / 8 and run["position_bias"] == (6 * 0.2 - 2 * 0.2) / 8
    )
    assert run["failures"] == {"timeout": 5, "refused": 3} and (
        run["groups"],
        run["apart"],
        run["degraded"],
    ) == (2, 1, 1)


def test_a_run_is_told_in_words():
    run = total(
        [
            told(),
            told(
                failed_calls=3,
                failures={"timeout": 1, "refused": 2},
                position_bias=-0.9,
                connected=False,
                degraded=True,
            ),
        ]
    )
    assert words(run) == {
        "calls": "24, 3 failed (refused 2, timeout 1)",
        "same answer in both orders": "50 % of 12 pairs",
        "position bias towards the first shown": "−0.35 logits, cancelled",
        "near ties": "2 of 12",
        "circular triads": "2 of 8, zeta 0.50",
        "tokens": "2,400",
        "not all connected": "1 of 2",
        "over a fifth of calls failed": "in 1 of 2",
    }


def test_a_judge_that_said_nothing_is_told_of_without_shares():
    run = total(
        [
            told(
                failed_calls=12,
                pairs=0,
                swap_consistency=None,
                position_bias=None,
                zeta=None,
                triads=0,
                ties=0,
                tokens=0,
            )
        ]
    )
    assert words(run) == {"calls": "12, 12 failed"}
    assert words(total([])) == {"calls": "0, 0 failed"}


def test_what_is_no_number_is_taken_for_none():
    run = total(
        [
            {
                "calls": "many",
                "failed_calls": True,
                "pairs": 1e300,
                "swap_consistency": "high",
                "failures": [1],
                "zeta": {},
            }
        ]
    )
    assert run["calls"] == run["failed_calls"] == run["pairs"] == 0 and words(run)


def test_how_often_a_judge_agrees_with_itself_is_weighted_by_the_calls_made_twice():
    run = total([told(repeats=6, repeat_consistency=1.0), told(repeats=2, repeat_consistency=0.5), told()])
    assert run["repeats"] == 8 and run["repeat_consistency"] == 7 / 8
    assert words(run)["same answer when asked again"] == "88 % of 8 calls"
