"""The compiled network: what it makes of a frame depends on the shape of its batch, and on no batch before it."""

import torch

from hflow.model.batch_transfer import BatchTransfer
from hflow.model.compiled_transfer import CompiledTransfer, filled_up
from tests.model.test_strip_transfer import network


@torch.inference_mode()
def test_it_gives_what_the_network_gives_whatever_batches_came_before() -> None:
    whole = BatchTransfer(network((2,)))
    compiled = CompiledTransfer(whole)
    frames, codes = torch.rand(3, 3, 24, 32), torch.randn(3, 8)
    first = compiled(frames, codes)
    assert (first - whole(frames, codes)).abs().max() * 255 < 0.01
    wider = compiled(torch.rand(4, 3, 24, 40), codes[[0, 1, 2, 0]])
    assert wider.shape == (4, 3, 24, 40)
    assert torch.equal(compiled(frames, codes), first)


def test_a_batch_is_filled_up_to_a_power_of_two() -> None:
    for count, filled in [(1, 1), (2, 2), (3, 4), (5, 8), (16, 16)]:
        batch = filled_up(torch.arange(count)[:, None])
        assert len(batch) == filled
        assert batch[:count, 0].tolist() == list(range(count))
