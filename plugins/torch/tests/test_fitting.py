"""A model that does not fit into memory with a whole batch runs with less of it, and says so once."""

import pytest
import torch
from torch import nn

from rankkit.errors import BrokenRanker, DeviceFull
from rankkit_torch import Fitting, memory

CPU = torch.device("cpu")
SAID = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 85899345920000 bytes. Error code 12 (Cannot allocate memory)"
)


class Small(nn.Module):
    """A module for whose activations of more than `most` images there is no memory."""

    def __init__(self, most, error=None):
        super().__init__()
        self.most, self.error = most, error or torch.OutOfMemoryError("CUDA out of memory. Tried 2 GiB")
        self.linear, self.asked = nn.Linear(3, 2), []

    def forward(self, images_B3):
        self.asked.append(len(images_B3))
        if len(images_B3) > self.most:
            raise self.error
        return self.linear(images_B3)


@pytest.mark.parametrize(
    "error", [None, RuntimeError(SAID), RuntimeError("not enough memory: you tried"), MemoryError()]
)
def test_a_batch_that_does_not_fit_is_halved_and_said_once(error, capsys):
    module, images = Small(3, error), torch.randn(10, 3)
    fitting = Fitting(CPU)
    with torch.inference_mode():
        parts = fitting(module, images)
        torch.testing.assert_close(torch.cat(parts), module.linear(images))
        assert module.asked == [10, 5, 2, 2, 2, 2, 2] and fitting.most == 2
        fitting(module, images[:4])
    assert module.asked[7:] == [2, 2], "a later batch began with what does not fit"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no free memory on cpu for 10 images" in said and "batch_size=5" in said


def test_a_batch_that_fits_is_run_as_it_is_and_nothing_is_said(capsys):
    module = Small(10)
    assert len(Fitting(CPU)(module, torch.randn(10, 3))) == 1
    assert module.asked == [10] and capsys.readouterr().err == ""


def test_one_image_that_does_not_fit_is_a_full_device():
    with pytest.raises(DeviceFull, match=r"no free memory on cpu for 1 images.*batch_size"):
        Fitting(CPU)(Small(0), torch.randn(4, 3))


def test_other_errors_are_passed_on_as_they_are():
    for error in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory")):
        with pytest.raises(type(error), match=str(error)):
            Fitting(CPU)(Small(0, error), torch.randn(4, 3))


def test_weights_that_do_not_fit_are_a_full_device_which_is_a_broken_ranker():
    with pytest.raises(BrokenRanker, match="for the weights of a") as raised, memory(CPU, "the weights of a"):
        torch.empty(2**50)
    assert isinstance(raised.value, DeviceFull)
