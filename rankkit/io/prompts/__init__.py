"""Image folders, manifests and archives to items: which images there are, what their prompts are, which of
them compete.

Each source is one module with a `find(root)`; to add one, write the module and name it in `SOURCES` of
`survey`, in the order of trying. Nothing here opens an image completely: an `Item` is read when its turn
comes, by `Item.read`.
"""

from rankkit.io.prompts.base import Item
from rankkit.io.prompts.survey import Survey, survey

__all__ = ["Item", "Survey", "survey"]
