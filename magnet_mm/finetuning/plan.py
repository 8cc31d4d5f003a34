# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Batch, learning rate and length of a training, from memory and the amount of data.

The numbers below are our choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS_PER_EPOCH = 8  # an epoch has so many steps at least, unless the batch would be below 2
RATE_SHARE = 0.5  # of the recipe's rate: the weights are trained already
STEPS = 600  # what the epochs add up to, within their bounds
EPOCHS = (5, 50)
VALIDATIONS = 10
PATIENCE = 4  # validations without a better score
MEMORY_SHARE = 0.8
WARM_UP = 0.05  # share of all steps


@dataclass(frozen=True)
class Recipe:
    """What the base config trains with: batch of a step, learning rate, and its optimiser."""

    batch: int
    rate: float


@dataclass(frozen=True)
class Plan:
    """What was decided, and why (``reasons``: the value's name to a sentence)."""

    batch_size: int
    accumulated: int
    rate: float
    epochs: int
    interval: int
    warm_up: int
    reasons: dict[str, str]

    @property
    def batch(self) -> int:
        """Samples of an optimiser step."""
        return self.batch_size * self.accumulated


def decide(
    items: int,
    recipe: Recipe,
    needed: tuple[int, int],
    free: int | None,
    epochs: int | None = None,
) -> Plan:
    """Decide.

    Args:
        items: Training items (lines).
        recipe: Of the base config.
        needed: Bytes of the model with its optimiser, and bytes per sample.
        free: Free bytes; None where unknown.
        epochs: The user's own number.
    """
    batch = _power_of_two(min(recipe.batch, max(2, items // STEPS_PER_EPOCH)))
    fixed, each = needed
    room = batch if free is None else int((MEMORY_SHARE * free - fixed) // max(each, 1))
    batch_size = min(batch, _power_of_two(max(room, 1)))
    steps = max(items // batch, 1)
    low, high = EPOCHS
    length = epochs or min(max(math.ceil(STEPS / steps), low), high)
    share = batch / recipe.batch
    rate = float(f'{RATE_SHARE * math.sqrt(share) * recipe.rate:.2g}')
    memory = 'unknown memory' if free is None else f'{free / 2**30:.1f} GiB free'
    reasons = dict(
        batch=f'{items} training items: a step of {batch} (the recipe: {recipe.batch}) gives '
        f'{steps} steps per epoch. {memory}; a sample takes about {each / 2**20:.0f} MiB, the '
        f'model {fixed / 2**20:.0f} MiB: {batch_size} at a time, '
        f'{batch // batch_size} accumulated.',
        rate=f"half of the recipe's {recipe.rate:g}, times the root of the batch's share "
        f'{batch}/{recipe.batch}.',
        epochs='as you said.'
        if epochs
        else f'about {STEPS} steps, {low} to {high} epochs; it stops earlier after {PATIENCE} '
        'validations without a better score.',
    )
    return Plan(
        batch_size,
        batch // batch_size,
        rate,
        length,
        max(1, length // VALIDATIONS),
        max(1, round(WARM_UP * length * steps)),
        reasons,
    )


def _power_of_two(number: int) -> int:
    """Return the largest power of two that is not larger."""
    return 2 ** (number.bit_length() - 1)
