# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""What every visual backbone does with pretrained weights."""

from __future__ import annotations

from magnet_mm.models.pretrained import complete_weights


class PretrainedVisual:
    """Mixin in front of a backbone: weights of ``init_cfg`` are loaded whole."""

    def init_weights(self) -> None:
        """Load the checkpoint of ``init_cfg``, if any, and make sure that it was loaded.

        Raises:
            CheckpointError: naming the parameters that the checkpoint does not have.
        """
        with complete_weights(self):
            super().init_weights()
