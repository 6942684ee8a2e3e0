"""The layouts in which others publish what humans chose: one `PreferenceFormat` each, told by its fields.

Each `read` says which images an entry has and how humans ordered them: higher is better, equal is a tie, NaN
no opinion. It raises ValueError, in words, for an entry that does not keep to its format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.io.preference_fields import (
    RICHHF,
    Choice,
    StoredImage,
    any_of,
    image_in,
    images_in,
    numbers_in,
    shown,
    stored_image,
)
from rankkit.io.records import Record

PROMPT = "prompt|caption|text"
IMAGES = "image_path|file_path|images|files"
CHOSEN = "chosen|chosen_image|chosen_path|preferred|winner|image_w|win"
REJECTED = "rejected|rejected_image|rejected_path|dispreferred|loser|image_l|lose"


@dataclass(frozen=True)
class PreferenceFormat:
    """A way to write choices: fields that every entry has ("a|b": either), and what they say."""

    name: str
    fields: tuple[str, ...]
    read: Callable[[Record], Choice]
    undone: Callable[[Iterable[Record]], frozenset[str]] | None = None  # names of entries taken back later
    name_of: str = "question"  # the field with the name of an entry, where some are taken back
    prompt: Callable[[Record], Any] = lambda record: any_of(record, PROMPT)

    def fits(self, names: Iterable[str]) -> bool:
        """Whether an entry with these fields can be of this format."""
        return all(set(field.split("|")) & set(names) for field in self.fields)


def _hpdv2_ranks(record: Record) -> Choice:
    """`rank` is the consensus of all annotators, 1 for the best image.

    What each of them said (`raw_annotations`) is not used.
    """
    images = images_in(record, IMAGES)
    return images, tuple(-rank for rank in numbers_in(record, "rank", len(images)))


def _hpdv2_choices(record: Record) -> Choice:
    """`human_preference` is 1 for the image that was chosen, 0 for the others."""
    images = images_in(record, IMAGES)
    return images, numbers_in(record, "human_preference", len(images))


def _hpdv3(record: Record) -> Choice:
    """`path1` is the preferred image, always.

    Votes (`choice_dist`) and `confidence` are published for a part only and not used.
    """
    return (image_in(record, "path1"), image_in(record, "path2")), (1.0, 0.0)


def _pickapic(record: Record) -> Choice:
    """`label_0` is 1 when image 0 was chosen, 0 when image 1 was, 0.5 for a tie.

    Without `has_label`, or without a number, nobody has chosen.
    """
    images = image_in(record, "jpg_0"), image_in(record, "jpg_1")
    if record.get("has_label") is False:
        return images, (math.nan, math.nan)
    label = record["label_0"]
    if label is None or label != label:
        return images, (math.nan, math.nan)
    if isinstance(label, bool) or label not in (0, 0.5, 1):
        raise ValueError(f"label_0 is {shown(label)}, not 0, 0.5 or 1")
    other = record.get("label_1")
    if isinstance(other, int | float) and other == other and label + other != 1:
        raise ValueError(f"label_0 is {shown(label)} and label_1 {shown(other)}, which together are not 1")
    return images, (float(label), 1 - float(label))


def _imagereward(record: Record) -> Choice:
    """`ranking` is 1 for the best image, and equal for equals."""
    images = images_in(record, "generations")
    return images, tuple(-rank for rank in numbers_in(record, "ranking", len(images)))


def _plain(record: Record) -> Choice:
    """`choice` is a, b or tie in any case.

    As a number it is the index of the chosen image: 0 is image_a, 1 is image_b, 0.5 a tie. With null nobody
    has chosen.
    """
    choice = record["choice"]
    if choice is None or choice != choice:
        return (image_in(record, "image_a"), image_in(record, "image_b")), (math.nan, math.nan)
    word = choice.strip().lower() if isinstance(choice, str) else choice
    if isinstance(word, bool) or word not in ("a", "b", "tie", 0, 0.5, 1):
        raise ValueError(f"its choice is {shown(choice)}, not a, b, tie, 0 (image_a) or 1 (image_b)")
    second = {"a": 0.0, "b": 1.0, "tie": 0.5}.get(word, word)
    return (image_in(record, "image_a"), image_in(record, "image_b")), (1 - float(second), float(second))


def _label(record: Record) -> Choice:
    """What `rankkit label` writes: plain pairs, of which some are skipped: nobody has chosen."""
    return _plain({**record, "choice": None} if record["choice"] == "skip" else record)


def _taken_back(records: Iterable[Record]) -> frozenset[str]:
    """The questions whose answers were taken back, and the entries that did so."""
    undo = [record for record in records if record.get("choice") == "undo"]
    return frozenset(str(record.get(name)) for record in undo for name in ("undoes", "question"))


def _chosen(record: Record) -> Choice:
    """What was chosen and what was rejected are one image each, or lists of images.

    The images of one list are equally good, or equally bad.
    """
    chosen, rejected = (_one_or_more(record, names) for names in (CHOSEN, REJECTED))
    if both := [image for image in chosen if image is not None and image in rejected]:
        raise ValueError(f"{shown(both[0])} is chosen and rejected")
    return (*chosen, *rejected), (1.0,) * len(chosen) + (0.0,) * len(rejected)


def _one_or_more(record: Record, names: str) -> list[StoredImage]:
    name = next(name for name in names.split("|") if name in record)
    value = record[name]
    return (
        [stored_image(name, each) for each in value] if isinstance(value, list) else [image_in(record, name)]
    )


def _mmrb2(record: Record) -> Choice:
    """Multimodal RewardBench 2 (arXiv 2512.16899): `chosen` is A or B, what the experts agreed on.

    Looked at: README.md, t2i_response_only.json and build_from_hf.py of facebookresearch/MMRB2. What each
    expert said (`human_annotations`) is on a scale that these do not explain, and not used.
    """
    chosen = record["chosen"]
    if chosen not in ("A", "B"):
        raise ValueError(f"chosen is {shown(chosen)}, not A or B")
    images = tuple(_one_image(record, f"response_{side}") for side in "ab")
    return images, (float(chosen == "A"), float(chosen == "B"))


def _mmrb2_prompt(record: Record) -> str:
    """The text of a prompt; one that shows an image asks for an edit of it or for an answer about it."""
    parts = _parts(record, "prompt_content")
    if any(kind != "text" for kind, _ in parts):
        raise ValueError(
            "its prompt shows an image, so this is no text-to-image pair, and rankers are not shown such a "
            "prompt; give t2i.json"
        )
    return "\n".join(text for _, text in parts)


def _one_image(record: Record, name: str) -> StoredImage:
    response = record[name]
    parts = _parts(response if isinstance(response, Mapping) else {}, "response_content")
    if [kind for kind, _ in parts] != ["image"]:
        raise ValueError(f"{name} is not one image and nothing else, so this is no text-to-image pair")
    return parts[0][1]


def _parts(holder: Record, name: str) -> list[tuple[str, str]]:
    """Texts and paths of images, as `[["text", …], ["image", …]]`."""
    found = holder.get(name)
    if found is None and name == "prompt_content":
        raise ValueError(
            "it has no prompt_content: *_response_only.json holds no prompts; build the files with them by "
            "build_from_hf.py of the MMRB2 repository"
        )
    if not isinstance(found, list) or any(
        not isinstance(part, list) or len(part) != 2 or not all(isinstance(each, str) for each in part)
        for part in found
    ):
        raise ValueError(f"{name} is {shown(found)}, not a list of [kind, text or path]")
    return [(kind, value) for kind, value in found]


VOTES = {"leftvote": (1.0, 0.0), "rightvote": (0.0, 1.0), "tievote": (0.5, 0.5), "bothbad_vote": (0.5, 0.5)}


def _genai_votes(record: Record) -> Choice:
    """GenAI-Bench of TIGER-Lab (arXiv 2406.04485), image generation: a vote of GenAI-Arena per pair.

    Looked at: inference.py and inference_configs.json of TIGER-AI-Lab/GenAI-Bench. Both bad is a tie.
    """
    vote = record["vote_type"]
    if vote not in VOTES:
        raise ValueError(f"vote_type is {shown(vote)}, not {', '.join(VOTES)}")
    return (image_in(record, "left_image"), image_in(record, "right_image")), VOTES[vote]


def _genai_ratings(record: Record) -> Choice:
    """GenAI-Bench (arXiv 2406.13743): per model three people's ratings, 1 to 5, of how an image fits its
    prompt; the mean of them orders the images, ``MODEL/NUMBER.jpeg``.

    Looked at: the reader of genai_image.json in linzhiqiu/t2v_metrics, which takes the same mean.
    """
    models, name = record["models"], record["id"]
    if not isinstance(models, Mapping) or not models:
        raise ValueError(f"models is {shown(models)}, not ratings by model")
    ratings = [
        numbers_in(models, model, len(given) if isinstance(given, list) else 0)
        for model, given in models.items()
    ]
    if not all(ratings):
        raise ValueError("models holds a model without ratings")
    means = tuple(math.fsum(each) / len(each) for each in ratings)
    return tuple(f"{model}/{name}.jpeg" for model in models), means


def _richhf(record: Record) -> Choice:
    """RichHF-18K (arXiv 2312.10240) rates images one by one, without prompts; never a pair."""
    raise ValueError(RICHHF)


FORMATS = (
    PreferenceFormat("Pick-a-Pic", ("jpg_0", "jpg_1", "label_0"), _pickapic),
    PreferenceFormat("HPDv3", ("path1", "path2"), _hpdv3),
    PreferenceFormat("ImageReward test", ("generations", "ranking"), _imagereward),
    PreferenceFormat("HPDv2 choices", (IMAGES, "human_preference"), _hpdv2_choices),
    PreferenceFormat("HPDv2 test", (IMAGES, "rank"), _hpdv2_ranks),
    PreferenceFormat(
        "rankkit label", ("image_a", "image_b", "choice", "question", "who"), _label, _taken_back
    ),
    PreferenceFormat("MMRB2", ("response_a", "response_b", "chosen"), _mmrb2, prompt=_mmrb2_prompt),
    PreferenceFormat("GenAI-Bench votes", ("left_image", "right_image", "vote_type"), _genai_votes),
    PreferenceFormat("GenAI-Bench ratings", ("id", "prompt", "models"), _genai_ratings),
    PreferenceFormat("RichHF-18K", ("artifact_score", "misalignment_score", "overall_score"), _richhf),
    PreferenceFormat("plain pairs", ("image_a", "image_b", "choice"), _plain),
    PreferenceFormat("chosen and rejected", (CHOSEN, REJECTED), _chosen),
)
FIELDS = {
    name
    for known in FORMATS
    for field in (PROMPT, *known.fields, "has_label", "undoes", "prompt_content")
    for name in field.split("|")
}
