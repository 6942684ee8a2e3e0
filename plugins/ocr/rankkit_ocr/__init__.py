"""The ranker `ocr`: does an image show the text that its prompt quotes?"""

from rankkit_ocr.ocr import Ocr

__all__ = ["Ocr"]
