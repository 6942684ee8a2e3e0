"""On a GPU float32 is float32, whatever the program around a ranker allows."""

import numpy as np
import pytest
import torch

from rankkit_torch import Pixels, full_float32, sent, stacked


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


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_batch_that_is_sent_without_waiting_arrives_whole_and_in_order(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    rng = np.random.default_rng(0)
    for _ in range(20):  # memory of batches that are gone is used again
        prepared = [Pixels(rng.normal(size=(3, 64, 64)).astype(np.float32), {}) for _ in range(16)]
        arrived = sent(stacked(prepared), torch.device(device), torch.bfloat16)
        expected = torch.stack([torch.from_numpy(pixels.values) for pixels in prepared]).bfloat16()
        assert arrived.device.type == device and torch.equal(arrived.cpu(), expected)
