"""Image folders, manifests and archives to items: which images there are, what their prompts are, which of
them compete.

Each source is one module with a `find(root)`, which gives a `Source` or None; to add one, write the module
and name it in `SOURCES` of `survey`, in the order of trying. Nothing here opens an image completely: an
`Item` is read when its turn comes, by `Item.read`. In `layouts` are sources that go by the places and names
of images, in `embedded` the programs that write prompts into images, in `reading` what cells and text files
say.
"""

from rankkit.io.prompts.base import Item
from rankkit.io.prompts.survey import Finding, Survey, survey

__all__ = ["Finding", "Item", "Survey", "survey"]
