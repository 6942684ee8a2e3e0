"""Mochi Diffusion: fields by their labels in XMP's description, joined by semicolons, or one on each line."""

from __future__ import annotations

import re

from rankkit.io.prompts.embedded.container import Found, Texts, in_xmp

PROGRAM = "Mochi Diffusion"
LABEL = (
    r"(Include in Image|Exclude from Image|Model|Steps|Guidance Scale|Seed|Size|Quality|Upscaler"
    r"|Starting Image|ControlNet Image|Input Images|Scheduler|ML Compute Unit|Generator|Engine|Model Key): ?"
)
JOINED, BY_LINES = re.compile(rf"(?:^|; ){LABEL}"), re.compile(rf"^{LABEL}", re.MULTILINE)
VERSION = re.compile(r"Metadata Version: (\w+)\n")  # the first has no such line
ESCAPED = re.compile(r"\\([nr\\])")


def read(texts: Texts) -> Found | None:
    """The field ``Include in Image``, which ends where the next label stands, as the program reads it."""
    text = in_xmp(texts, "dc:description").replace("\r\n", "\n")
    if "Generator: Mochi Diffusion" not in text or "Include in Image:" not in text:
        return None
    version = VERSION.match(text)
    if version and version[1] != "2":
        return Found(PROGRAM, None, f"its description has the version {version[1]}, which is not known")
    _, *parts = (BY_LINES if version else JOINED).split(text)
    fields = [(label, value.strip()) for label, value in zip(parts[::2], parts[1::2], strict=True)]
    prompts = [value for label, value in fields if label == "Include in Image"]
    if len(prompts) != 1:
        return Found(PROGRAM, None, "its description has not one prompt")
    negative = next((value for label, value in fields if label == "Exclude from Image"), None)
    written = ESCAPED.sub(lambda found: found[1].strip("nr") or "\n", prompts[0]) if version else prompts[0]
    return Found(PROGRAM, written, negative=negative)
