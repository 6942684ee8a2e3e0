import math
import random
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import ImageColor

from rankkit import Pointwise
from rankkit.core import aggregate
from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError, UsageError
from rankkit.remote import wire
from rankkit.testing import (
    Biased,
    BrokenPromise,
    CheckFailed,
    Fixed,
    Flaky,
    check_ranker,
    content_hash,
    contract,
    run_checks,
    sample_groups,
)
from rankkit.testing.context import Unexpected
from rankkit.testing.contract import ALL, Check


def brightness(image):
    return float(np.asarray(image).mean())


def by_group(score_images, kind="listwise"):
    """A ranker that scores the images of each group together."""
    return SimpleNamespace(
        kind=kind, rank=lambda groups: [Ranking(tuple(score_images(list(g.images))), kind) for g in groups]
    )


def by_call(rank, kind="listwise"):
    """A ranker from a function of all groups of a call."""
    return SimpleNamespace(kind=kind, rank=rank)


def relative(images):
    """A good listwise score: brightness above the group's mean."""
    values = [brightness(image) for image in images]
    return [value - sum(values) / len(values) for value in values]


class Judge(Biased):
    """A pairwise ranker in eight lines: every pair in both orders, Bradley–Terry."""

    def rank(self, groups):
        return [Ranking(self.utilities(group.images), "pairwise") for group in groups]

    def utilities(self, images):
        pairs = aggregate.schedule(len(images))
        there = self.compare([images[i] for i, _ in pairs], [images[j] for _, j in pairs])
        back = self.compare([images[j] for _, j in pairs], [images[i] for i, _ in pairs])
        won = [
            (i, j, aggregate.both_orders(p, 1 - q)[0], 2.0)
            for (i, j), p, q in zip(pairs, there, back, strict=True)
        ]
        return tuple(aggregate.bradley_terry(aggregate.wins(len(images), won))[0])


class Staged(Pointwise):
    """A good ranker in two stages, with batches that end within groups."""

    batch_size = 3

    def prepare(self, image):
        return np.asarray(image, np.float64)

    def score(self, prepared):
        return [float(pixels.mean()) for pixels in prepared]


class Remembers(Pointwise):
    """One whose first stage keeps the image for the second, which forgets all of them."""

    batch_size = 1000

    def __init__(self):
        self.images = {}

    def prepare(self, image):
        self.images[id(image)] = image
        return id(image)

    def score(self, prepared):
        images, self.images = self.images, {}
        return [brightness(images[key]) for key in prepared]


def refuses_unknown_options(**options):
    raise RankkitError(f"no option {', '.join(options)}; there is quality")


def too_few(groups):
    return Fixed(brightness).rank(groups)[:-1]


def without_reason(groups):
    return [Ranking((math.nan, *map(brightness, group.images[1:]))) for group in groups]


def standardised_over_the_call(groups):
    values = [brightness(image) for group in groups for image in group.images]
    return [
        Ranking(tuple(brightness(image) - sum(values) / len(values) for image in group.images))
        for group in groups
    ]


def prefers_the_first(images):
    return [brightness(image) + 9 * (image == images[0]) for image in images]


def second_copy_is_worse(images):
    return [brightness(image) - images[:i].count(image) for i, image in enumerate(images)]


def paints_over(groups):
    rankings = Fixed(brightness).rank(groups)
    for image in (image for group in groups for image in group.images):
        image.paste(0, (0, 0, 9, 9))
    return rankings


def takes_notes(groups):
    for group in groups:
        group.metadata["seen"] = True
    return Fixed(brightness).rank(groups)


def empties_the_list(groups):
    rankings = Fixed(brightness).rank(groups)
    groups.clear()
    return rankings


def stacks_everything(groups):
    assert max(len(group.images) for group in groups) > 0
    return Fixed(brightness).rank(groups)


def z_scores(images):
    return (
        [value / (statistics.stdev(map(brightness, images)) or 1) for value in relative(images)]
        if images
        else []
    )


def slides_a_window(images):
    return [
        float(np.lib.stride_tricks.sliding_window_view(np.asarray(image)[..., 0], (8, 8)).mean())
        for image in images
    ]


def reads_the_first_word(groups):
    return [
        Ranking(tuple(brightness(image) + len(group.prompt.split()[0]) for image in group.images))
        for group in groups
    ]


def reads_only_the_prompt(groups):
    return [Ranking((float(len(group.prompt)),) * len(group.images)) for group in groups]


def has_77_tokens(groups):
    assert all(len(group.prompt) < 300 for group in groups), "the prompt is too long"
    return Fixed(brightness).rank(groups)


def shows_its_mask(groups):
    return [
        Ranking(
            tuple(map(brightness, g.images)), details=tuple({"mask": np.asarray(image)} for image in g.images)
        )
        for g in groups
    ]


class IgnoresPrompt(Fixed):
    """Says that it needs a prompt, and ignores it."""

    needs_prompt = True

    def __init__(self):
        super().__init__(brightness)


class ReadsPrompt(IgnoresPrompt):
    """Scores by the brightness of the image and the length of the prompt."""

    def rank(self, groups):
        return [
            Ranking(tuple(brightness(image) + len(group.prompt) for image in group.images), "pointwise")
            for group in groups
        ]


GOOD = {
    "pointwise that needs a prompt": ReadsPrompt(),
    "pointwise": Fixed(brightness),
    "pointwise by content": Fixed(
        {content_hash(image): float(i) for group in sample_groups() for i, image in enumerate(group.images)}
    ),
    "pointwise that fails on some": Flaky(Fixed(brightness), lambda image: brightness(image) > 200),
    "pointwise with float noise": by_group(
        lambda images: [brightness(image) + 1e-6 * i for i, image in enumerate(images)], "pointwise"
    ),
    "pointwise by the size of the image": Fixed(lambda image: float(image.width)),
    "in two stages": Staged(),
    "listwise": by_group(relative),
    "pairwise with a position bias": Judge(
        lambda image: brightness(image) / 50, position_bias=1.5, noise=0.5
    ),
}
BAD = [
    ("images-matter", Fixed(lambda image: 0.5)),
    ("images-matter", by_group(lambda images: [0.0 for _ in images])),
    ("images-matter", by_call(reads_only_the_prompt, "pointwise")),
    ("images-matter", by_call(reads_only_the_prompt)),
    ("prompts-matter", IgnoresPrompt()),
    ("shape", by_call(too_few)),
    ("shape", by_call(lambda groups: [Ranking((1.0,)) for _ in groups])),
    ("shape", by_call(lambda groups: (ranking for ranking in Fixed(brightness).rank(groups)))),
    ("shape", by_call(lambda groups: [tuple(map(brightness, group.images)) for group in groups])),
    ("shape", by_call(lambda groups: [Ranking((math.inf,) * len(group.images)) for group in groups])),
    ("reasons", by_call(without_reason)),
    ("opinion", Flaky(Fixed(brightness), lambda image: True)),
    ("deterministic", by_group(lambda images: [random.random() for _ in images])),
    ("batches", by_call(standardised_over_the_call)),
    ("order", by_group(prefers_the_first)),
    ("ties", by_group(second_copy_is_worse)),
    ("inputs", by_call(paints_over)),
    ("inputs", by_call(takes_notes)),
    ("inputs", by_call(empties_the_list)),
    ("empty", by_call(stacks_everything)),
    (
        "empty",
        by_call(lambda groups: [ranking for ranking in Fixed(brightness).rank(groups) if ranking.scores]),
    ),
    ("single", by_group(z_scores)),
    ("sizes", by_group(slides_a_window)),
    ("prompts", by_call(reads_the_first_word)),
    ("prompts", by_call(has_77_tokens)),
    ("wire", by_call(shows_its_mask)),
    ("two-stages", Remembers()),
    (
        "companions",
        by_group(
            lambda images: [brightness(image) / max(map(brightness, images)) for image in images], "pointwise"
        ),
    ),
]
RELOADS = {
    "takes anything": lambda **options: Fixed(brightness),
    "an error of Python": lambda *, quality=95: Fixed(brightness),
    "an error that does not name it": lambda **options: refuses_unknown_options(weights=1),
}


def failed(ranker, **options):
    return [result.id for result in run_checks(ranker, **options) if result.failed]


@pytest.mark.parametrize("ranker", GOOD.values(), ids=GOOD)
def test_a_good_ranker_passes_every_check(ranker):
    check_ranker(ranker, reload=refuses_unknown_options)


@pytest.mark.parametrize(("check", "ranker"), BAD)
def test_a_failed_check_is_named_and_no_other(check, ranker):
    assert failed(ranker, reload=refuses_unknown_options) == [check]
    with pytest.raises(CheckFailed) as caught:
        check_ranker(ranker)
    assert repr(check) in str(caught.value)


@pytest.mark.parametrize("reload", RELOADS.values(), ids=RELOADS)
def test_an_unknown_option_that_is_not_refused_by_name_fails_the_check(reload):
    assert failed(Fixed(brightness), reload=reload) == ["options"]


def test_there_is_a_bad_ranker_for_every_check():
    assert {check.id for check in ALL} == {check for check, _ in BAD} | {"options"}


def test_ids_are_unique_and_short():
    assert len({check.id for check in ALL}) == len(ALL)
    assert all(check.id.replace("-", "").isalpha() and len(check.id) <= 14 for check in ALL)


def test_a_check_can_be_skipped_for_a_reason():
    ranker = by_group(prefers_the_first)
    assert failed(ranker, skip={"order": "position is the point"}) == []
    (skipped,) = [
        result for result in run_checks(ranker, skip={"order": "it is the point"}) if result.skipped
    ]
    assert (skipped.id, skipped.skipped, skipped.word) == ("order", "it is the point", "skipped")
    check_ranker(ranker, skip={"order": "position is the point"})


def test_a_ranker_that_is_meant_to_ignore_the_images_passes_where_that_check_is_skipped():
    check_ranker(by_call(reads_only_the_prompt), skip={"images-matter": "it judges the prompt alone"})


def test_a_check_that_does_not_exist_cannot_be_skipped():
    with pytest.raises(UsageError, match="'orders'.*order"):
        check_ranker(Fixed(brightness), skip={"orders": "what is that?"})


@pytest.mark.parametrize("reason", ["", "  ", None, True])
def test_a_check_is_not_skipped_without_a_reason(reason):
    with pytest.raises(UsageError, match="'order' is skipped for the reason .*; say why"):
        check_ranker(Fixed(brightness), skip={"order": reason})


def test_a_check_of_the_running_minor_version_only_warns(monkeypatch):
    def never(context):
        raise Unexpected("always")

    monkeypatch.setattr(contract, "EVERY", (Check("new", "a new thing holds", never, "do it", since="7.3"),))
    monkeypatch.setattr("rankkit.testing.version", lambda name: "7.3.1")
    with pytest.warns(UserWarning, match="'new'"):
        check_ranker(Fixed(brightness))
    assert [result.word for result in run_checks(Fixed(brightness)) if result.id == "new"] == ["warning"]
    monkeypatch.setattr("rankkit.testing.version", lambda name: "7.4.0")
    with pytest.raises(CheckFailed, match="'new'"):
        check_ranker(Fixed(brightness))


def test_checks_of_other_kinds_are_not_run():
    ids = [result.id for result in run_checks(by_group(relative))]
    assert "companions" not in ids and "options" not in ids and "prompts-matter" not in ids


def test_a_ranking_that_calls_itself_pointwise_is_held_to_it():
    silent = SimpleNamespace(
        rank=lambda groups: [Ranking(tuple(relative(list(g.images))), "pointwise") for g in groups]
    )
    with pytest.raises(CheckFailed, match="companions"):
        check_ranker(silent)


def test_without_a_foundation_the_other_checks_are_not_run():
    assert [result.id for result in run_checks(by_call(too_few))] == ["shape"]


def test_a_ranker_that_ends_the_program_fails_with_its_code():
    def leaves(groups):
        raise SystemExit(7)

    with pytest.raises(CheckFailed, match="SystemExit: 7"):
        check_ranker(by_call(leaves))


def test_a_failed_check_shows_the_values_and_the_next_step():
    with pytest.raises(CheckFailed, match=r"SimpleNamespace .*'order'.* scored 12\.51.* and then 21\.51"):
        check_ranker(by_group(prefers_the_first))


def test_a_failed_check_is_both_our_error_and_a_failed_assertion():
    assert issubclass(CheckFailed, RankkitError) and issubclass(CheckFailed, AssertionError)
    assert BrokenPromise is CheckFailed


def test_the_tolerance_decides_what_is_float_noise():
    with pytest.raises(CheckFailed):
        check_ranker(GOOD["pointwise with float noise"], tolerance=0)


def test_groups_with_nothing_to_order_prove_nothing_and_are_refused():
    with pytest.raises(RankkitError, match="at least one group of two images"):
        check_ranker(Fixed(brightness), groups=[Group("alone", sample_groups()[0].images[:1])])


def test_a_group_without_images_may_be_among_those_given():
    check_ranker(Fixed(brightness), groups=[Group("nothing", ()), *sample_groups(3)])


def test_sample_groups_are_the_same_for_the_same_seed():
    first, again, other = (wire.encode_groups(sample_groups(seed)) for seed in (0, 0, 1))
    assert first == again and first != other


def test_sample_groups_have_everything_a_ranker_may_look_at():
    groups = sample_groups()
    assert any(word in ImageColor.colormap for group in groups for word in group.prompt.split())
    assert all(group.id and group.metadata and len(group.names) == len(group.images) >= 3 for group in groups)
    assert len({image.size for group in groups for image in group.images}) > 2
    assert len({content_hash(image) for group in groups for image in group.images}) == sum(
        len(group.images) for group in groups
    )


def test_an_image_without_a_fixed_score_is_abstained_on_with_a_reason():
    (ranking,) = Fixed({}).rank(sample_groups()[:1])
    assert all(map(math.isnan, ranking.scores)) and all(found["error"] for found in ranking.details)


def test_both_orders_undo_the_liking_of_a_biased_judge():
    images = sample_groups()[0].images
    fair, biased = (
        Judge(lambda image: brightness(image) / 50, position_bias=bias).utilities(images)
        for bias in (0.0, 2.0)
    )
    assert np.allclose(fair, biased) and Ranking(fair).ranks == Ranking(tuple(map(brightness, images))).ranks


def test_a_biased_judge_gives_the_same_answer_to_the_same_question():
    images = sample_groups()[0].images
    judge = Biased(brightness, noise=1.0, seed=5)
    assert judge.compare(images, images[::-1]) == judge.compare(images, images[::-1])
