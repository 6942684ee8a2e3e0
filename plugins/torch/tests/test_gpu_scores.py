"""On a GPU float32 is float32, whatever the program around a ranker allows."""

import pytest
import torch

from rankkit_torch import full_float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_convolutions_and_products_keep_all_bits_although_the_program_allows_tf32():
    rng = torch.Generator().manual_seed(0)
    images, kernel = torch.randn(8, 3, 224, 224, generator=rng), torch.randn(256, 3, 14, 14, generator=rng)
    exact = torch.nn.functional.conv2d(images.double(), kernel.double(), stride=14).flatten(1)
    conv = lambda: torch.nn.functional.conv2d(images.cuda(), kernel.cuda(), stride=14).flatten(1)  # noqa: E731
    error = lambda found, wanted: float((found.double().cpu() - wanted).abs().max() / wanted.abs().max())  # noqa: E731
    torch.set_float32_matmul_precision("high")
    try:
        with full_float32():
            assert error(conv(), exact) < 3e-6 and error(conv() @ conv().T, exact @ exact.T) < 3e-6
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
