"""Rankers of a whole group: what each image adds to it, and one ranker's order behind another's veto."""

from rankkit.core.listwise.veto import Veto, veto

__all__ = ["Veto", "veto"]
