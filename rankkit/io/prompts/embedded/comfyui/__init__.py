"""ComfyUI: the graph that made the image, walked back from the node that saved it to its positive prompt.

The way is: saving node, decoding, sampler (`images`), its positive conditioning (`conditioning`), text
(`texts`). What nodes mean stands in `kinds` and `words`. Inputs `clip` and `model` are never walked. Where
the way cannot be followed to the end there is no prompt, and the reason names the node.
"""

from rankkit.io.prompts.embedded.comfyui.reader import PROGRAM, read

__all__ = ["PROGRAM", "read"]
