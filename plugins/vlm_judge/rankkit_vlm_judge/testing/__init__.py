"""A small OpenAI-compatible server on the loopback address that behaves as real ones do, for tests.

>>> with JudgeServer() as server:
...     server.play("error-in-200")
...     # ask vlm-judge:url=server.url
"""

from rankkit_vlm_judge.testing.manners import MANNERS, Manner
from rankkit_vlm_judge.testing.server import JudgeServer

__all__ = ["MANNERS", "JudgeServer", "Manner"]
