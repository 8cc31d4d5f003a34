# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""BERT, the text encoder of every published method here, in groups of layers."""

from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS

from magnet_mm.models.text.stagewise_text_encoder import StagewiseTextEncoder


@MODELS.register_module()
class StagewiseBert(StagewiseTextEncoder):
    """:class:`StagewiseTextEncoder` of type ``bert``.

    The default ``config`` is bert-base-uncased. LAVT's released optimiser holds neither
    ``embeddings`` nor ``encoder.layer.10`` and ``encoder.layer.11``: name them in ``frozen`` [C].
    """

    def __init__(
        self,
        groups: Sequence[int] = (3, 3, 3, 3),
        pretrained: str | None = None,
        config: dict | None = None,
        frozen: Sequence[str] = (),
        pretrained_layers: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__('bert', groups, pretrained, config, frozen, pretrained_layers, init_cfg)
