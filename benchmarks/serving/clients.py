"""Clients that ask one after the other for some seconds, each in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

import rankkit

IMAGES, SIDE = 4, 256


def ask(clients: Sequence[Any], groups: list[rankkit.Group], seconds: float) -> list[float]:
    """Every client asks until the time is over; the seconds that each answer took."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def client(ranker: Any, first: int) -> None:
        number = first
        while (start := time.perf_counter()) < end:
            group = groups[number % len(groups)]
            (ranking,) = ranker.rank([group])
            assert ranking.scores == tuple(float(image.getpixel((0, 0))[0]) for image in group.images)
            took.append(time.perf_counter() - start)
            number += 1

    threads = [threading.Thread(target=client, args=(each, i)) for i, each in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def groups_of(count: int) -> list[rankkit.Group]:
    rng = np.random.default_rng(0)
    return [
        rankkit.Group(
            f"image {number}",
            tuple(
                Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(IMAGES)
            ),
        )
        for number in range(count)
    ]
