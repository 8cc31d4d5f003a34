# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""VLT's head: queries made of image and sentence find the object (docs/methods/vlt.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.decode_heads.vlt_fusion_pyramid import VLTFusionPyramid
from magnet_mm.models.decode_heads.vlt_mask_decoder import VLTMaskDecoder, summed_cross_entropy
from magnet_mm.models.decode_heads.vlt_queries import (
    QueryBalance,
    QueryGenerator,
    with_positions,
)
from magnet_mm.models.decode_heads.vlt_transformer import VLTDecoderLayer, VLTEncoderLayer
from magnet_mm.models.layers.keras_layers import relu_dense
from magnet_mm.models.targets import fractional_masks
from magnet_mm.structures import CrossModalFeatures, Prediction


class TransformerSizes(NamedTuple):
    """Layers of encoder and decoder each, attention heads, dropout [C]."""

    num_layers: int = 2
    num_heads: int = 8
    dropout: float = 0.1


@MODELS.register_module()
class VLTHead(BaseModule):
    """Fusion pyramid, query generation, transformer, query balance, mask decoder.

    Args:
        in_channels: channels of the image's maps, filled in by the segmentor; the last three, of
            strides 8, 16 and 32, are read.
        text_channels: width of the words, filled in by the segmentor.
        sentence_channels: width of the sentence vector, filled in by the segmentor.
        grid: height and width of the maps of stride 16; (26, 26) at 416 pixels [C]. The weights
            that flatten a map depend on it.
        channels: width; 256 [C].
        num_queries: 16 [C: the shipped data-set configs].
        transformer: ``num_layers`` of encoder and decoder each, ``num_heads``, ``dropout``; 2, 8
            and 0.1 [C].
        threshold: foreground is a larger probability; 0.35 [C].
        norm_cfg: norm of the convolutions; batch norm with eps 1e-3, momentum 0.01 [C: Keras].

    Raises:
        ConfigError: in ``forward``, for images of another size than ``grid`` says.
    """

    # What mmseg's EncoderDecoder reads off a head: one sigmoid channel of logits.
    num_classes = 1
    out_channels = 1
    align_corners = False
    derived_arguments = ('text_channels', 'sentence_channels')

    def __init__(
        self,
        in_channels: Sequence[int],
        text_channels: int,
        sentence_channels: int,
        grid: Sequence[int] = (26, 26),
        channels: int = 256,
        num_queries: int = 16,
        transformer: dict | None = None,
        threshold: float = 0.35,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='BN', eps=1e-3, momentum=0.01)
        layers, heads, dropout = TransformerSizes(**(transformer or {}))
        self.grid = tuple(grid)
        self.pixel_channels = channels
        self.foreground = ForegroundRule('sigmoid', threshold, align_corners=self.align_corners)
        pixels = self.grid[0] * self.grid[1]
        self.pyramid = VLTFusionPyramid(in_channels[-3:], sentence_channels, channels, norm_cfg)
        self.queries = QueryGenerator(
            2 * channels, text_channels, channels, num_queries, pixels, heads, norm_cfg
        )
        self.encoder = nn.Sequential(
            *(VLTEncoderLayer(channels, heads, dropout) for _ in range(layers))
        )
        self.decoder = nn.ModuleList(
            VLTDecoderLayer(channels, heads, dropout) for _ in range(layers)
        )
        self.balance = QueryBalance(channels)
        self.response = relu_dense(channels, pixels)
        self.mask_decoder = VLTMaskDecoder(num_queries, channels, norm_cfg)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        """Logits ``[B, 1, H/2, W/2]``.

        Leaves the last map ``[B, channels, H/2, W/2]`` in ``features.pixel_embedding`` for the
        auxiliary heads.
        """
        maps = self.pyramid(features.visual[-3:], features.sentence('own'))
        self._check_grid(maps.tokens)
        memory = self.encoder(with_positions(maps.tokens.flatten(2).transpose(1, 2)))
        queries = self.queries(maps.queries, features.words)
        found = with_positions(queries)
        for layer in self.decoder:
            found = layer(found, memory)
        responses = self.response(self.balance(found, queries)).unflatten(-1, self.grid)
        logits, features.pixel_embedding = self.mask_decoder(responses)
        return Prediction(logits)

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """``loss_mask``, a sum over the pixels: about 30,000 at the start of a training at 416."""
        return dict(
            loss_mask=summed_cross_entropy(
                self(features).masks, fractional_masks(batch_data_samples)
            )
        )

    def _check_grid(self, tokens: Tensor) -> None:
        if tuple(tokens.shape[-2:]) != self.grid:
            raise ConfigError(
                f'VLTHead is built for maps of {self.grid} (height, width) at stride 16, but this '
                f'image gives {tuple(tokens.shape[-2:])}: set decode_head.grid to the size of '
                'the input divided by 16, or the size of Letterbox to 16 times the grid.'
            )
