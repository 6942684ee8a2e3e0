"""Which images to show next: what is known of every prompt, and the choice among them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from rankkit.choose.label.answers import Answer, Pick, standing
from rankkit.choose.label.beliefs import Belief, belief
from rankkit.choose.label.candidates import Candidates
from rankkit.core.aggregate import Floats

RANDOM = 0.2  # share of questions about a pair drawn at random, a fair sample to evaluate rankers on
REPEATED = 0.05  # share of questions that ask an earlier one again, with the sides changed
APART = 8  # questions between one and its repetition
STAY = 10  # questions about one prompt before another one's turn comes

WINS_OF_A = {"a": 1.0, "tie": 0.5, "b": 0.0}  # how much of a win the first image gets


@dataclass(frozen=True, slots=True)
class Question:
    """Images of one prompt to choose among: `prompt` and `places` count from 0, in the order shown."""

    id: str
    prompt: int
    places: tuple[int, ...]
    pick: Pick
    repeats: str = ""


@dataclass
class Questions:
    """What one person has answered, as far as it tells which images to show next.

    `four`: show up to four images at once. `lost` are images that cannot be shown any more.
    """

    candidates: Sequence[Candidates]
    top: int = 1
    four: bool = False
    rng: random.Random = field(default_factory=random.SystemRandom)
    lost: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._index = {
            (each.prompt, name): (k, i)
            for k, each in enumerate(self.candidates)
            for i, name in enumerate(each.names)
        }
        self._wins = [np.zeros((len(each.names),) * 2) for each in self.candidates]
        self._beliefs: dict[int, Belief] = {}
        self._untouched: dict[int, Belief] = {}  # by the number of images
        self._answers: list[Answer] = []
        self._skipped: dict[int, set[tuple[int, int]]] = {}
        self._at, self._stayed = -1, 0

    def learn(self, answers: Iterable[Answer]) -> None:
        """Take in all answers of this person; those about other images tell nothing here."""
        self._answers = [answer for answer in standing(answers) if self.known(answer)]
        for wins in self._wins:
            wins[:] = 0
        self._skipped.clear()
        for answer in self._answers:
            self._count(answer)
        self._beliefs.clear()

    def add(self, answers: Sequence[Answer]) -> None:
        """Take in answers to one more question."""
        for answer in answers:
            self._answers.append(answer)
            self._beliefs.pop(self._count(answer), None)

    def known(self, answer: Answer) -> bool:
        """Whether both images of an answer are here, under its prompt."""
        return all((answer.prompt, name) in self._index for name in (answer.image_a, answer.image_b))

    def place(self, prompt: str, name: str) -> tuple[int, int]:
        """The number of a prompt, and of an image among its candidates."""
        return self._index[prompt, name]

    def belief(self, k: int) -> Belief:
        """What is known of the prompt with this number."""
        wins = self._wins[k]
        if not wins.any():
            if len(wins) not in self._untouched:
                self._untouched[len(wins)] = belief(wins, self.top)
            return self._untouched[len(wins)]
        if k not in self._beliefs:
            seed = 100_003 * k + int(2 * wins.sum())  # other draws every time, and the same after a restart
            self._beliefs[k] = belief(wins, self.top, seed=seed)
        return self._beliefs[k]

    def done(self, k: int) -> bool:
        """Whether the prompt with this number needs no more answers: its top is settled, or all skipped."""
        if not self.lost and k not in self._skipped:
            return self.belief(k).done
        return self.belief(k).done or not (self._gain(k) > 0).any()

    def next(self) -> Question | None:
        """The next question; None where no prompt has two images left that can be shown."""
        open_ones = [k for k in range(len(self.candidates)) if len(self._shown(k)) > 1]
        if not open_ones:
            return None
        drawn = self.rng.random()
        if drawn < REPEATED and (again := self._repeatable()):
            return self._repeat(self.rng.choice(again))
        if drawn < REPEATED + RANDOM:
            k = self.rng.choice(open_ones)
            shown = self._shown(k)
            return self._question(k, self.rng.sample(shown, min(4 if self.four else 2, len(shown))), "random")
        k = self._prompt(open_ones)
        return self._question(k, self._informative(k), "informative")

    def _prompt(self, open_ones: Sequence[int]) -> int:
        """The prompt to ask about: for a while the same, then the one that is settled least."""
        undone = [k for k in open_ones if not self.done(k)]
        if self._at in undone and self._stayed < STAY:
            self._stayed += 1
            return self._at
        others = [k for k in undone or open_ones if k != self._at] or open_ones
        self._at, self._stayed = min(others, key=lambda k: (self.belief(k).settled, self.rng.random())), 1
        return self._at

    def _informative(self, k: int) -> list[int]:
        """The pair that would tell most; for four, with those that are likeliest among the top."""
        shown = self._shown(k)
        gain = self._gain(k)
        best = np.argwhere(gain >= gain.max() - 1e-12)
        chosen = [int(place) for place in self.rng.choice(list(best))]
        if self.four:
            share = self.belief(k).among_top
            chosen += sorted(set(shown) - set(chosen), key=lambda place: (-share[place], place))[:2]
        return chosen

    def _gain(self, k: int) -> Floats:
        """What answers would tell: nothing of a pair that was skipped, -1 for what cannot be shown."""
        gain: Floats = self.belief(k).gain.copy()
        for i, j in self._skipped.get(k, ()):
            gain[i, j] = gain[j, i] = 0
        np.fill_diagonal(gain, -1)
        for other, i in self.lost:
            if other == k:
                gain[i, :] = gain[:, i] = -1
        return gain

    def _repeatable(self) -> list[Answer]:
        """Answers about a pair that were given a while ago and were not asked again."""
        count: dict[str, int] = {}
        for answer in self._answers:
            count[answer.question] = count.get(answer.question, 0) + 1
        recent = set(list(count)[-APART:])
        asked = {answer.repeats for answer in self._answers}
        return [
            answer
            for answer in self._answers
            if count[answer.question] == 1
            and answer.choice != "skip"
            and answer.question not in recent | asked
            and not answer.repeats
            and not {self.place(answer.prompt, name) for name in (answer.image_a, answer.image_b)} & self.lost
        ]

    def _repeat(self, answer: Answer) -> Question:
        k, a = self.place(answer.prompt, answer.image_a)
        b = self.place(answer.prompt, answer.image_b)[1]
        places = (a, b) if answer.place_a > answer.place_b else (b, a)
        return Question(new_id(), k, places, "repeat", answer.question)

    def _question(self, k: int, places: Sequence[int], pick: Pick) -> Question:
        return Question(new_id(), k, tuple(self.rng.sample(places, len(places))), pick)

    def _shown(self, k: int) -> list[int]:
        every = range(len(self.candidates[k].names))
        return [i for i in every if (k, i) not in self.lost] if self.lost else list(every)

    def _count(self, answer: Answer) -> int:
        k, a = self.place(answer.prompt, answer.image_a)
        b = self.place(answer.prompt, answer.image_b)[1]
        add_win(self._wins[k], a, b, answer)
        if answer.choice == "skip":
            self._skipped.setdefault(k, set()).add((a, b))
        return k


def add_win(wins: Floats, a: int, b: int, answer: Answer) -> None:
    """Count an answer about the images a and b: a tie is half a win for each, a skipped pair is nothing."""
    if answer.choice in WINS_OF_A:
        wins[a, b] += WINS_OF_A[answer.choice]
        wins[b, a] += 1 - WINS_OF_A[answer.choice]


def new_id() -> str:
    """A name for a question that no other one has."""
    return f"{random.SystemRandom().getrandbits(48):012x}"
