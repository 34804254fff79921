"""What changes from step to step: the learning rate, and the share of aligned channels."""

import math

from hflow.foundation.params import LossParams, TrainParams

__all__ = ["learning_rate", "loss_at"]


def learning_rate(params: TrainParams, step: int) -> float:
    """Cosine from `learning_rate` at step 0 to 0 at the end, with a straight rise over the first `rise` steps."""
    rise = min(1.0, (step + 1) / (params.rise + 1))
    return rise * params.learning_rate * (1 + math.cos(math.pi * step / params.steps)) / 2


def loss_at(loss: LossParams, step: int) -> LossParams:
    """The loss of a step: its share of aligned channels falls in a straight line from 1 to `k` over `k_fall` steps."""
    if step >= loss.k_fall:
        return loss
    return loss.model_copy(update={"k": 1 + (loss.k - 1) * step / loss.k_fall})
