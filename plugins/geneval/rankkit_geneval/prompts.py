"""GenEval's 553 prompts with their clauses, generated instead of shipped.

The bytes are those of the published evaluation_metadata.jsonl.

Drawn as published: numpy's ``default_rng(43)``, 100 draws per task, duplicates dropped. The texts keep the
quirks that the published ones have: "an" only before a vowel letter, plurals with -es after s and -s after
anything else ("three knifes", "two toothbrushs"), "a scissors".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from rankkit_geneval.vocabulary import CLASSES, COLORS, RELATIONS

SEED = 43
DRAWS = 100  # per task but the first, which takes every class once
# of evaluation_metadata.jsonl at djghosh13/geneval@af4902f
SHA256 = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"

Metadata = dict[str, Any]
Draw = Callable[[np.random.Generator], Metadata]


def evaluation_metadata(seed: int = SEED, draws: int = DRAWS) -> list[Metadata]:
    """One object per prompt, in the published order.

    The keys are the published ones: tag, include, exclude (counting only), prompt.
    """
    rng = np.random.default_rng(seed)
    drawn = [_single_object(name) for name in _distinct(rng, CLASSES, len(CLASSES))]
    for draw in (_two_object, _counting, _colors, _position, _color_attr):
        drawn += [draw(rng) for _ in range(draws)]
    return list({json.dumps(metadata): metadata for metadata in drawn}.values())


def lines(seed: int = SEED, draws: int = DRAWS) -> Iterator[str]:
    """The published file line by line, each with its line break."""
    yield from (json.dumps(metadata) + "\n" for metadata in evaluation_metadata(seed, draws))


@lru_cache(maxsize=1)
def by_text() -> Mapping[str, Metadata]:
    """The metadata of each published prompt by its text; all 553 texts are distinct."""
    return {metadata["prompt"]: metadata for metadata in evaluation_metadata()}


def _single_object(name: str) -> Metadata:
    return {"tag": "single_object", "include": [_thing(name)], "prompt": f"a photo of {_article(name)}"}


def _two_object(rng: np.random.Generator) -> Metadata:
    first, second = _distinct(rng, CLASSES, 2)
    prompt = f"a photo of {_article(first)} and {_article(second)}"
    return {"tag": "two_object", "include": [_thing(first), _thing(second)], "prompt": prompt}


def _counting(rng: np.random.Generator) -> Metadata:
    name = CLASSES[rng.choice(len(CLASSES))]
    count = int(rng.integers(2, 4, endpoint=True))
    plural = name + ("es" if name.endswith("s") else "s")
    prompt = f"a photo of {('two', 'three', 'four')[count - 2]} {plural}"
    return {
        "tag": "counting",
        "include": [_thing(name, count)],
        "exclude": [_thing(name, count + 1)],
        "prompt": prompt,
    }


def _colors(rng: np.random.Generator) -> Metadata:
    name = _inanimate(rng.choice(len(CLASSES) - 1))
    color = COLORS[rng.choice(len(COLORS))]
    return {
        "tag": "colors",
        "include": [_thing(name, color=color)],
        "prompt": f"a photo of {_article(color)} {name}",
    }


def _position(rng: np.random.Generator) -> Metadata:
    subject, target = _distinct(rng, CLASSES, 2)
    relation = RELATIONS[rng.choice(len(RELATIONS))]
    # the target first: its index is what a position refers to
    include = [_thing(target), _thing(subject, position=[relation, 0])]
    return {
        "tag": "position",
        "include": include,
        "prompt": f"a photo of {_article(subject)} {relation} {_article(target)}",
    }


def _color_attr(rng: np.random.Generator) -> Metadata:
    first, second = (_inanimate(index) for index in rng.choice(len(CLASSES) - 1, size=2, replace=False))
    one, other = _distinct(rng, COLORS, 2)
    prompt = f"a photo of {_article(one)} {first} and {_article(other)} {second}"
    return {
        "tag": "color_attr",
        "include": [_thing(first, color=one), _thing(second, color=other)],
        "prompt": prompt,
    }


def _distinct(rng: np.random.Generator, words: tuple[str, ...], size: int) -> list[str]:
    return [words[index] for index in rng.choice(len(words), size=size, replace=False)]


def _inanimate(index: int) -> str:
    """A class by its index among those after person, of whom no colour is ever asked."""
    return CLASSES[index + 1]


def _thing(name: str, count: int = 1, **more: Any) -> Metadata:
    return {"class": name, "count": count, **more}


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
