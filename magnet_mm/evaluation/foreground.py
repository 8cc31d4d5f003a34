# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The one rule that makes a mask of logits.

A decode head states its rule; segmentor, metric, inferencer, visualiser, test-time augmentation and
exported files read it. Sources: sigmoid above 0.5 (MagNet) and argmax of two channels (LAVT) in the
released codes, see docs/fidelity.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from magnet_mm.errors import ConfigError


@dataclass(frozen=True)
class ForegroundRule:
    """How logits become masks.

    Attributes:
        kind: ``sigmoid``, one channel of logits, or ``argmax``, background and foreground.
        threshold: pixels with a larger foreground probability belong to the object.
        no_target_threshold: nothing is meant where the head says so with a larger probability.
        align_corners: how the logits are resized (bilinear) to the input and to the image.

    Raises:
        ConfigError: for another kind, or a threshold that is not between 0 and 1.
    """

    kind: str = 'sigmoid'
    threshold: float = 0.5
    no_target_threshold: float = 0.5
    align_corners: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ('sigmoid', 'argmax'):
            raise ConfigError(f"The foreground rule is 'sigmoid' or 'argmax', not {self.kind!r}.")
        for name in ('threshold', 'no_target_threshold'):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(
                    f'{name} is a probability between 0 and 1, not {getattr(self, name)}.'
                )

    @classmethod
    def of(cls, sample: Mapping[str, Any], channels: int) -> ForegroundRule:
        """Read the rule in a predicted sample; without one, take the usual one for its channels.

        Raises:
            ConfigError: for neither one nor two channels.
        """
        stated = sample.get('foreground')
        if stated is not None:
            return cls(**stated)
        if channels not in (1, 2):
            raise ConfigError(f'Logits have 1 or 2 channels, not {channels}.')
        return cls('sigmoid' if channels == 1 else 'argmax')

    @property
    def channels(self) -> int:
        """Channels ``C`` of the logits."""
        return 1 if self.kind == 'sigmoid' else 2

    @property
    def cut(self) -> float:
        """The foreground logit that belongs to ``threshold``."""
        return math.log(self.threshold / (1 - self.threshold))

    @property
    def no_target_cut(self) -> float:
        """The logit that belongs to ``no_target_threshold``."""
        return math.log(self.no_target_threshold / (1 - self.no_target_threshold))

    def foreground(self, logits: Tensor) -> Tensor:
        """Logits ``[..., C, H, W]`` to foreground logits ``[..., H, W]``.

        Their sigmoid is the foreground probability, also where there are two channels.

        Raises:
            ConfigError: for another number of channels.
        """
        if logits.shape[-3] != self.channels:
            raise ConfigError(
                f'The rule {self.kind!r} reads {self.channels} channel(s) of logits, not '
                f'{logits.shape[-3]}.'
            )
        if self.kind == 'sigmoid':
            return logits.select(-3, 0)
        return logits.select(-3, 1) - logits.select(-3, 0)

    def mask(self, foreground: Tensor) -> Tensor:
        """Foreground logits to a bool mask of the same shape."""
        return foreground > self.cut

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the metainfo of samples and for exported files."""
        return asdict(self)
