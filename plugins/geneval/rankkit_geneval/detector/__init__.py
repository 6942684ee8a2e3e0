"""GenEval's detector: pixels as mmdet makes them, Mask2Former, masks and boxes, and weights converted from
mmdet's.

Nothing is imported here, so that a command about weights needs no model.
"""
