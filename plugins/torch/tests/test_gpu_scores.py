"""On a GPU float32 is float32, and full memory is an abstention with what to change."""

import math

import pytest
import torch
from test_bad_weights import NAMES, case, cases  # noqa: F401

import rankkit
from rankkit_torch import full_float32
from rankkit_torch.testing import pictures

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")


def test_convolutions_and_products_keep_all_bits_although_the_program_allows_tf32():
    rng = torch.Generator().manual_seed(0)
    images, kernel = torch.randn(8, 3, 56, 56, generator=rng), torch.randn(64, 3, 14, 14, generator=rng)
    exact = torch.nn.functional.conv2d(images.double(), kernel.double(), stride=14).flatten(1)
    conv = lambda: torch.nn.functional.conv2d(images.cuda(), kernel.cuda(), stride=14).flatten(1)  # noqa: E731
    error = lambda found, wanted: float((found.double().cpu() - wanted).abs().max() / wanted.abs().max())  # noqa: E731
    torch.set_float32_matmul_precision("high")
    try:
        rounded = error(conv(), exact)
        with full_float32():
            assert error(conv(), exact) < 1e-6 < rounded
            assert error(conv() @ conv().T, exact @ exact.T) < 1e-6
        assert error(conv(), exact) == rounded
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("name", NAMES)
def test_pictures_that_do_not_fit_the_gpu_are_abstained_on_with_what_to_change(cases, name):  # noqa: F811
    ranker = rankkit.load(name, **case(cases, name), device="cuda")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_allocated() / torch.cuda.get_device_properties(0).total_memory)
    try:
        (ranking,) = ranker.rank([rankkit.Group("a fox", tuple(pictures()[:2]))])
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    said = [str(details.get("error", "")) for details in ranking.details]
    assert all(map(math.isnan, ranking.scores)) and all("no free memory on cuda" in error for error in said), said
    (ranking,) = ranker.rank([rankkit.Group("a fox", tuple(pictures()[:2]))])
    assert not any(map(math.isnan, ranking.scores))
