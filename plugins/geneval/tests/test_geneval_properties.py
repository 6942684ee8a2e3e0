"""What must hold of every verdict, whatever was detected."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rankkit_geneval import Detection, judge
from rankkit_geneval.verdicts.geometry import POSITION_THRESHOLD, relations
from rankkit_geneval.vocabulary import COLORS, RELATIONS

NAMES = ("dog", "cat", "clock")
corner = st.integers(-300, 300)
side = st.integers(1, 300)
boxes = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, side, side)
scores = st.integers(1, 99_999).map(lambda n: n / 100_000)
detections = st.builds(Detection, boxes, scores, st.sampled_from(COLORS))


@st.composite
def scenes(draw):
    """Detections of three classes whose scores are all distinct, most of them above the thresholds."""
    found = draw(
        st.lists(
            st.tuples(st.sampled_from(NAMES), detections), max_size=12, unique_by=lambda pair: pair[1].score
        )
    )
    lift = draw(st.booleans())
    scene = {}
    for name, each in found:
        scene.setdefault(name, []).append(replace(each, score=0.9 + each.score / 10) if lift else each)
    return scene


@st.composite
def demands(draw):
    """Metadata about those classes, of the kinds that GenEval has and of some that it could have."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(0, 3))]
    include = []
    for i, name in enumerate(names):
        clause = {"class": name, "count": draw(st.integers(1, 3))}
        if draw(st.booleans()):
            clause["color"] = draw(st.sampled_from(COLORS[:2]))
        if i and draw(st.booleans()):
            clause["position"] = [draw(st.sampled_from(RELATIONS)), draw(st.integers(0, i - 1))]
        include.append(clause)
    exclude = [
        {"class": c["class"], "count": c["count"] + draw(st.integers(1, 2))}
        for c in include
        if draw(st.booleans())
    ]
    return {"tag": draw(st.sampled_from(("counting", "colors"))), "include": include, "exclude": exclude}


def margin(a, b):
    """How far the two boxes are from the limit of a relation, as a share of their distance."""
    box = np.array([a, b], float).reshape(2, 2, 2)
    offset = box.mean(axis=1)[0] - box.mean(axis=1)[1]
    size = (box[:, 1] - box[:, 0]).sum(axis=0)
    norm = np.linalg.norm(offset)
    return (
        np.abs(np.maximum(np.abs(offset) - POSITION_THRESHOLD * size, 0) / norm - 0.5).min() if norm else 1.0
    )


@given(demands(), scenes(), st.randoms())
def test_the_order_of_detections_does_not_matter(metadata, scene, random):
    shuffled = {name: random.sample(found, len(found)) for name, found in scene.items()}
    assert judge(metadata, shuffled) == judge(metadata, scene)


@given(demands(), scenes(), st.lists(detections, max_size=3))
def test_a_class_that_is_not_mentioned_does_not_matter(metadata, scene, others):
    assert judge(metadata, {**scene, "person": others}) == judge(metadata, scene)


@settings(max_examples=300)
@given(demands(), scenes())
def test_graded_is_one_exactly_where_correct_and_never_leaves_the_unit_interval(metadata, scene):
    verdict = judge(metadata, scene)
    assert (verdict.graded == 1) == verdict.correct == (not verdict.reason)
    assert 0 <= verdict.graded <= 1
    assert not verdict.strict or not metadata["include"] or verdict.flow_grpo == 1


@given(demands(), scenes(), detections)
def test_adding_a_missing_thing_never_lowers_graded(metadata, scene, new):
    short = [c["class"] for c in metadata["include"] if len(scene.get(c["class"], [])) < c["count"]]
    assume(short)
    richer = {**scene, short[0]: [*scene.get(short[0], []), new]}
    assert judge(metadata, richer).graded >= judge(metadata, scene).graded


@given(boxes, boxes, st.floats(0.06, 50))
def test_scaling_the_image_leaves_relations(a, b, scale):
    assume(margin(a, b) > 1e-4)
    assert relations([scale * x for x in a], [scale * x for x in b]) == relations(a, b)


@given(boxes, boxes)
def test_mirroring_swaps_the_sides_and_turning_the_pair_round_swaps_all(a, b):
    sides = {"left of": "right of", "right of": "left of"}
    heights = {"above": "below", "below": "above"}

    def mirrored(box):
        return (-box[2], box[1], -box[0], box[3])

    def upside_down(box):
        return (box[0], -box[3], box[2], -box[1])

    held = relations(a, b)
    assert relations(mirrored(a), mirrored(b)) == {sides.get(relation, relation) for relation in held}
    assert relations(upside_down(a), upside_down(b)) == {heights.get(relation, relation) for relation in held}
    assert relations(b, a) == {{**sides, **heights}[relation] for relation in held}


@given(boxes)
def test_a_thing_is_nowhere_relative_to_itself(box):
    assert relations(box, box) == frozenset()
