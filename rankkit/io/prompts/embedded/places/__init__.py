"""Where the texts of an image file stand: in its chunks and segments, or in the lowest bits of its pixels."""
