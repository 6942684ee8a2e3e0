"""Prompts that image generators write into their image files, one program per file.

Each module has `PROGRAM` and `read(texts)`, which takes the texts of a file (`container.texts_in`) and
returns a `Found`, or None where they are not that program's. Nothing is guessed: a reader that knows the file
as its program's and cannot tell the positive prompt says why, and gives none.
"""

from rankkit.io.prompts.embedded.container import Found, Texts
from rankkit.io.prompts.embedded.source import embedded_prompt, find

__all__ = ["Found", "Texts", "embedded_prompt", "find"]
