"""One person at work: the question that waits, the answer that is saved before the next one, and undo."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from rankkit.choose.label.answers import Answer, AnswerFile, Choice, consistency, standing
from rankkit.choose.label.candidates import Candidates
from rankkit.choose.label.questions import Question, Questions, new_id
from rankkit.errors import UsageError

LONGEST = 1e9  # seconds that an answer may have taken, by the page


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one person is. `settled_here` is how far the prompt shown is on that way, from 0 to 1."""

    questions: int
    prompts: int
    prompts_settled: int
    prompt: int
    settled_here: float
    done: bool


class Session:
    """The questions to one person, and their answers in a file.

    `question` waits for its answer; None where nothing is left to compare.
    """

    def __init__(
        self,
        candidates: Sequence[Candidates],
        file: AnswerFile,
        who: str,
        *,
        top: int = 1,
        four: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        """Go on where the file ends. Raises `UsageError` where all its answers are about other images."""
        self.candidates, self.file, self.who = candidates, file, who
        self._questions = Questions(candidates, top, four, rng or random.SystemRandom())
        known = [answer for answer in file.answers if self._questions.known(answer)]
        if file.answers and not known:
            raise UsageError(
                f"{file.path} holds answers about other images, such as {file.answers[-1].image_a!r}; give "
                f"the folder they were given for, or another file with -o"
            )
        self.elsewhere = len(standing(file.answers)) - len(standing(known))
        self._questions.learn(self._own())
        self.question = self._questions.next()

    def answer(self, question: str, choice: int | str, seconds: float | None = None) -> bool:
        """Save an answer to the question that waits: the number of the image chosen, "tie" or "skip".

        False, and nothing is saved, where another question waits: the answer came twice, or from a page that
        was left open. Raises `UsageError` for an answer to nothing that was shown, else as
        `AnswerFile.append`.
        """
        waits = self.question
        if waits is None or waits.id != question:
            return False
        answers = self._answers(waits, choice, seconds)
        self.file.append(answers)
        self._questions.add(answers)
        self.question = self._questions.next()
        return True

    def undo(self) -> bool:
        """Take back the last answer that stands, and ask it again; False where there is none."""
        given = [answer for answer in standing(self._own()) if self._questions.known(answer)]
        if not given:
            return False
        last = given[-1]
        self.file.append([replace(last, question=new_id(), choice="undo", at=_now(), undoes=last.question)])
        self._questions.learn(self._own())
        self.question = self._again(last)
        return True

    def lose(self, k: int, i: int) -> None:
        """Show an image no more, because it cannot be read, and ask about others."""
        self._questions.lost.add((k, i))
        self.question = self._questions.next()

    @property
    def lost(self) -> int:
        """How many images cannot be shown any more."""
        return len(self._questions.lost)

    def progress(self) -> Progress:
        """How far this person is."""
        prompts = len(self.candidates)
        settled = sum(self._questions.done(k) for k in range(prompts))
        here = -1 if self.question is None else self.question.prompt
        return Progress(
            len({answer.question for answer in standing(self._own())}),
            prompts,
            settled,
            here + 1,
            1.0 if here < 0 or self._questions.done(here) else self._questions.belief(here).way,
            settled == prompts,
        )

    def consistency(self) -> tuple[int, int]:
        """How many repeated questions this person answered as before, and how many there were."""
        return consistency(self._own())

    def _own(self) -> list[Answer]:
        return [answer for answer in self.file.answers if answer.who == self.who]

    def _again(self, last: Answer) -> Question:
        """The question that was answered by `last`, once more."""
        answers = [answer for answer in self.file.answers if answer.question == last.question]
        shown: dict[int, int] = {}
        for answer in answers:
            k, shown[answer.place_a] = self._questions.place(answer.prompt, answer.image_a)
            k, shown[answer.place_b] = self._questions.place(answer.prompt, answer.image_b)
        return Question(new_id(), k, tuple(shown[at] for at in sorted(shown)), last.pick, last.repeats)

    def _answers(self, question: Question, choice: int | str, seconds: float | None) -> list[Answer]:
        """The answers that a choice means: one for two images; for four, one per pair that was decided."""
        shown = range(len(question.places))
        words: dict[str, Choice] = {"tie": "tie", "skip": "skip"}
        if isinstance(choice, str) and choice in words:
            pairs = [(one, other, words[choice]) for one, other in itertools.combinations(shown, 2)]
        elif isinstance(choice, int) and not isinstance(choice, bool) and choice in shown:
            pairs = [(choice, other, "a") for other in shown if other != choice]
        else:
            given = repr(choice)[:40] if isinstance(choice, (int, float, str)) else type(choice).__name__
            raise UsageError(f"the answer {given} is none of 0 to {shown[-1]}, 'tie' and 'skip'")
        return [self._one(question, *pair, _now(), _seconds(seconds)) for pair in pairs]

    def _one(
        self, question: Question, one: int, other: int, choice: Choice, at: str, seconds: float | None
    ) -> Answer:
        """An answer about two of the images shown; `a` is the one that comes first among the candidates."""
        if question.places[one] > question.places[other]:
            one, other, choice = other, one, "b" if choice == "a" else choice
        about = self.candidates[question.prompt]
        names = about.names[question.places[one]], about.names[question.places[other]]
        return Answer(
            question.id, about.prompt, *names, choice, self.who, at, seconds, one, other, question.pick,
            question.repeats,
        )  # fmt: skip


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _seconds(given: float | None) -> float | None:
    """Seconds as a page tells them; None for what cannot be."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= LONGEST:
        return None
    return round(float(given), 3)
