"""GenEval's words: 80 things, 10 colours, 4 relations, 6 tasks.

Each is in the published order, which is part of its meaning.
"""

from __future__ import annotations

from typing import Final

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant,
stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe,
backpack, umbrella, handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl,
banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
potted plant, bed, dining table, toilet, tv, laptop, computer mouse, tv remote, computer keyboard,
cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush
"""

CLASSES: Final = tuple(" ".join(_NAMES.split()).split(", "))
"""The detector's 80 labels by index: COCO's contiguous order, where 64, 65 and 66 are called other than COCO
calls them.

COCO says mouse, remote and keyboard; whoever maps by name scores 33 of the 553 prompts 0 for ever. Map by
index.
"""

COLORS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
"""What a thing's colour can be named, in the order of the argmax. Grey is no candidate."""

RELATIONS: Final = ("left of", "right of", "above", "below")
"""Where a thing can be asked to be, in the order in which the prompts draw them."""

TASKS: Final = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
"""The six tags of a prompt; the overall score is the unweighted mean over them."""
