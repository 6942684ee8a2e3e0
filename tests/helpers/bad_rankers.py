"""Rankers that misbehave, each in one way; named bad_rankers:NAME by the tests of commands."""

import sys

import rankkit
from rankkit import Ranking


class Base:
    kind = "listwise"

    def rank(self, groups):
        return [self.one(group) for group in groups]

    def one(self, group):
        return Ranking(tuple(float(i) for i, _ in enumerate(group.images)))


class Short(Base):
    def one(self, group):
        return Ranking((1.0,) * (len(group.images) + 1))


class Fewer(Base):
    def rank(self, groups):
        return []


class Raises(Base):
    def rank(self, groups):
        raise ValueError("out of\nideas")


class Exits(Base):
    def rank(self, groups):
        sys.exit(7)


class Nothing(Base):
    def rank(self, groups):
        return None


class Numbers(Base):
    def rank(self, groups):
        return [1.0 for _ in groups]


class Picky(Base):
    def one(self, group):
        if "dog" in group.prompt or "circle" in group.prompt:
            raise ValueError("not this group")
        return super().one(group)


class Unbuilt(Base):
    def __init__(self):
        raise FileNotFoundError("no weights at nowhere")


class Leaves(Base):
    def __init__(self):
        sys.exit(7)


class Later(Base):
    async def rank(self, groups):
        return []


class LaterScore(rankkit.Pointwise):
    async def score(self, images):
        return [0.0 for _ in images]


async def later(image):
    return 0.0


class Odd(rankkit.Pairwise):
    degree = "x"

    def compare(self, first, second):
        return 0.5


class Reserved(Base):
    def __init__(self, *, metadata=None):
        pass


def reserved(image, *, prompts=""):
    return 0.0
