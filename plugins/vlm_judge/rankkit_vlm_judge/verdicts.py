"""The verdict that a text of a model ends in: none that is only thought, an example, or taken back."""

from __future__ import annotations

import re

from rankkit_vlm_judge.questions import Labels

TAIL = 4000  # a verdict stands among the last characters of a text


def spoken(content: str, thoughts: str = "") -> str:
    """What a model said once it had thought: what follows the last ``</think>``, opened or not.

    `thoughts` is what a server set apart; where the end of thinking stands there, what follows it was said.

    >>> spoken("Rather B.</think> A"), spoken("", "Rather B.</think>A"), spoken("A", "B?"), spoken("<think>B")
    (' A', 'A', 'A', '')
    """
    said = content
    if not _THOUGHT.search(content) and _THOUGHT.search(thoughts):
        said = _THOUGHT.split(thoughts)[-1] + content
    if _CHANNEL in said:
        said = said.rpartition(_FINAL)[2] if _FINAL in said else ""
    return _without_reasons(_THINKS.split(_THOUGHT.split(said)[-1])[0])


def _without_reasons(text: str) -> str:
    """A text without what stands between the marks of a reasoning that has other names than thinking.

    Of one that was never closed nothing is left, and of one that was never opened only what follows it.
    """
    kept, start, within = "", 0, False
    for mark in _REASONS.finditer(text):
        closes = mark.group().startswith(("</", "[/", "<|end", "<|END", "<channel"))
        if not within:
            kept = "" if closes else kept + text[start : mark.start()]
        start, within = mark.end(), not closes
    return kept if within else kept + text[start:]


_THINKS = re.compile(r"<(?:\w{1,9}:)?think(?:ing)?\s*>|◁think▷|\[THINK\]", re.IGNORECASE)
_THOUGHT = re.compile(r"</(?:\w{1,9}:)?think(?:ing)?\s*>|◁/think▷|\[/THINK\]", re.IGNORECASE)
_REASONS = re.compile(
    r"</?(?:thoughts?|reasoning|reflection|analysis|scratchpad|rationale)\s*>"
    r"|<\|(?:begin|end)_of_(?:thought|reasoning)\|>|<\|(?:START|END)_THINKING\|>"
    r"|<\|channel>|<channel\|>",
    re.IGNORECASE,
)
_CHANNEL, _FINAL = "<|channel|>", "<|channel|>final<|message|>"  # of gpt-oss, where a server leaves them


def parse(text: str, labels: Labels) -> str | None:
    r"""The label that a text gives as its verdict, or None where there is none or there are both.

    A verdict is a line "Answer: B" (verdict, winner, choice …, in any dress), a JSON field of such a name, a
    \boxed{} or <answer> label, or a first or last line that holds nothing but the label. Letters within
    sentences are ignored, unless what follows the verdict takes it back; one that is an example, or said not
    to be it, is none.

    >>> parse("**Answer:** Image B.", ("A", "B")), parse("A or B", ("A", "B"))
    ('B', None)
    """
    text = _SOLUTION.sub("\n", text)
    text = _ENDS.sub("", _OPENED.sub("<answer>", _CLOSED.sub("</answer>", text))).strip()
    tail = text[-TAIL:]
    stated = _Forms(labels)
    found = list(stated.verdict.finditer(tail)) or stated.alone(tail, whole=tail == text)
    if not found or _UNDECIDED.search(tail) or any(stated.denied(tail, each) for each in found):
        return None
    later = tail[found[0].end() :]
    told = [*found, *stated.retold.finditer(later), *stated.otherwise.finditer(later)]
    said = {
        label
        for match in told
        for group in match.groups()
        for label in labels
        if group and group.casefold() == label.casefold()
    }
    if len(said) == 1 and not stated.withdrawn(tail[found[-1].end() :], *said):
        return said.pop()
    return None


class _Forms:
    """How two labels are stated, repeated and taken back, as patterns."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        either = "|".join(map(re.escape, labels))
        image = r"(?:(?:the )?(?:image|picture|option)\b)?"
        dressed = rf"{_DRESS}{image}{_DRESS}({either}){_DRESS}"
        led = rf"{_NOUN}(?:[\s_]+(?:image|picture|option))?(?:{_DRESS}\bis\b|\s?[:=])?"
        lines = rf"{_DRESS}{led}(?:{_DRESS}{led})?{_DRESS}{image}{_DRESS}({either}){_END}$"
        whole = rf"{_DRESS}(?:{led}{_DRESS})?(?:image|picture)\s+({either})\s+{_WINS}{_DRESS}"
        field = rf"[\"']{_NOUN}(?:[\s_]+(?:image|picture|option))?[\"']\s?:\s?[\"']{dressed}[\"']"
        boxed = rf"\\boxed\s?{{(?:\\\w{{1,9}}\s?{{)?{dressed}}}"
        tagged = rf"<answer>(?:{_DRESS}{led})?{dressed}</answer>"
        named = rf"(?:image[ ]|picture[ ])?({either})"
        self.verdict = _pattern(rf"^{lines}|^{whole}$|{field}|{boxed}|{tagged}")
        self.bare = _pattern(rf"^{_DRESS}(image|picture|option)?{_DRESS}({either}){_END}$")
        self.retold = _pattern(rf"\b(?:{_NOUN}[ ](?:is|would be)[ ](?:the[ ])?{named}|{named}[ ]{_WINS})\b")
        self.otherwise = _pattern(
            rf"^(?!{_LESSER})(?:[^\n]{{0,60}}[:=–—])?[^\w\n?？]{{0,9}}{image}[^\w\n?？]{{0,9}}({either})"
            rf"[^\w\n?？]{{0,9}}$"
            rf"|[\"'](?!{_LESSER})[^\"'\n]{{1,40}}[\"']\s?:\s?[\"']{dressed}[\"']"
        )

    def alone(self, text: str, *, whole: bool) -> list[re.Match[str]]:
        """Lines of nothing but a label, if the first or the last line is one; a heading is none."""
        found = [each for each in self.bare.finditer(text) if each[2]]
        ends = [each for each in found if not text[each.end() :].strip()]
        begins = [
            each
            for each in found
            if whole
            and not text[: each.start()].strip()
            and not each[1]
            and not each[0].rstrip().endswith(":")
        ]
        return found if ends or begins else []

    def denied(self, text: str, verdict: re.Match[str]) -> bool:
        """Whether the line before a verdict says that it is none."""
        return bool(_DENIED.search(text[max(0, verdict.start() - 200) : verdict.start()]))

    def withdrawn(self, later: str, label: str) -> bool:
        """Whether what follows a verdict speaks of a change of mind and names another answer."""
        other = re.escape(next(each for each in self.labels if each != label))
        other = f"(?i:{other})" if len(label) > 1 else other  # a small a is an article
        named = rf"\b{other}\b|(?i:\b(?:other|neither|both)\b)"
        return bool(_CHANGE.search(later) and re.search(named, later))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.MULTILINE)


# what models put around an answer (GLM's box), and what servers leave of their templates at its end
_OPENED, _CLOSED = re.compile(r"<\|begin_of_box\|>"), re.compile(r"<\|end_of_box\|>")
_SOLUTION = re.compile(r"<\|(?:begin|end)_of_solution\|>")
_ENDS = re.compile(
    r"(?:<\|(?:im_end|endoftext|eot_id|end_of_text|eom_id|end|return)\|>|</s>|<end_of_turn>|<turn\|>|<eos>|\s){1,20}\Z"
)
# whose verdict is a guess, whatever it says
BLIND = re.compile(
    r"\bI\b.{0,40}\b(?:can(?:no|')?t|can not|unable to|not able to|don't|do not)\s+"
    r"(?:actually |directly |really )?(?:see|view|access|open|display|load|receive)\s+"
    r"(?:(?:the|any|these|those|your|either|both|attached|two|actual|provided)\s+){0,3}"
    r"(?:images?|pictures?)\b(?! of\b|['’ ][bs]\b)"
    r"|\bI (?:can |could )?only (?:see|have|received|got|was given) (?:one|a single|1) (?:image|picture)\b"
    r"|\bonly (?:one|a single|1) (?:image|picture) (?:is|was|has been) "
    r"(?:provided|attached|included|given|shown|uploaded|visible)"
    r"|(?:\A|[.!?,;:\n]\s{0,3})(?:the )?(?:first|second|other) (?:image|picture) "
    r"(?:is not|isn't|was not|wasn't) (?:visible|available|accessible|shown|given|provided|attached|included)"
    r"(?: to me)?(?=\s*[.,;:\n])"
    r"|\bno (?:images?|pictures?) (?:is|are|was|were|has been|have been) "
    r"(?:provided|attached|included|given|shown|uploaded)"
    r"|\b(?:images?|pictures?) (?:(?:did|could|were|was) not|(?:did|could|were|was)n't|failed to) (?:be )?"
    r"(?:load|loaded|provided|attached|included|come through|render|uploaded|received)\b",
    re.IGNORECASE,
)
# stars, quotes, spaces, and neither doubt nor denial; bounded, so that no text takes long
_DRESS = r"(?:[^\w?？~¬✗✘❌👎]|_){0,9}"
_END = r"(?:[^\w?？~¬✗✘❌👎:]|_|:(?=\s{0,9}\Z)){0,9}"  # after a colon there is more to come
_NOUN = (
    r"(?:(?:my|the|final|best|better|preferred|overall)[\s_]+){0,3}"
    r"(?:answer|verdict|winner|choice|decision|better|preferred|preference)"
)
_WINS = r"(?:wins|is(?:\s+the)?\s+(?:better|best|preferred|winner))"
_LESSER = (
    r"[^\n:=\"']{0,40}\b"
    r"(?:loser|los(?:es|ing)|worse|worst|weaker|lesser|less|second|runner|rejected|other|not)"
)
_UNDECIDED = re.compile(
    rf"^[^\w\n]{{0,9}}{_NOUN}(?:[ ]is)?[^\w\n]{{0,9}}(?:a |it's a )?"
    r"(?:neither|none|both|tie\b|tied\b|equal|draw\b|undecided|unclear|unknown|n/a|cannot|can't|not\b)",
    re.IGNORECASE | re.MULTILINE,
)
# the line before a verdict says that it is none
_DENIED = re.compile(
    r"(?:\b(?:not|wrong|worse|worst|loser|rejected|example|instance|format|if|hypothetically)\b|n't\b|e\.g\.)"
    r"[^\n]{0,60}:[*_`\s]{0,9}\Z",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"\b(?:wait|actually|however|correction|second thought|reconsider\w*|re-?think\w*|on reflection"
    r"|sorry|mistake\w*|chang\w+ my|revis\w+|otherwise|scratch that)\b|(?:^|[.!\n])\s{0,9}(?:no|but|hmm)\b",
    re.IGNORECASE,
)
