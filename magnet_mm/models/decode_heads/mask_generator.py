# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CoupAlign's mask generator: queries look at the last fused map (docs/methods/coupalign.md)."""

from __future__ import annotations

from mmdet.models.layers import DetrTransformerDecoder, SinePositionalEncoding
from mmengine.model import BaseModule
from torch import Tensor, nn

from magnet_mm.models.layers import sine_position


class MaskGenerator(BaseModule):
    """Turns the last word-pixel aligned map into ``N`` mask embeddings ``Q_o``.

    A DETR decoder of mmdet, post-norm: self-attention of the queries, cross-attention to the map,
    FFN. The paper gives the input, the output and ``N = 100`` [P supp. Tab. 3]; depth, width and
    position encodings are our choice. The queries have a learned content beside their learned
    position: with DETR's zero content the first self-attention could never learn anything.

    Args:
        in_channels: channels of ``F_4``.
        channels: width ``E`` of the embeddings.
        num_queries: ``N``; 100 [P].
        num_layers: decoder layers; 6, as DETR (our choice).
        num_heads: attention heads; 8, as DETR (our choice).
        ffn_channels: width of the FFN; 2048, as DETR (our choice).
        dropout: of attention and FFN; 0.1, as DETR (our choice).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 256,
        num_queries: int = 100,
        num_layers: int = 6,
        num_heads: int = 8,
        ffn_channels: int = 2048,
        dropout: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.input_project = nn.Linear(in_channels, channels)
        self.position = SinePositionalEncoding(channels // 2, normalize=True)
        self.query_feat = nn.Embedding(num_queries, channels)
        self.query_embed = nn.Embedding(num_queries, channels)
        attention = dict(embed_dims=channels, num_heads=num_heads, dropout=dropout)
        self.decoder = DetrTransformerDecoder(
            num_layers=num_layers,
            layer_cfg=dict(
                self_attn_cfg=dict(attention),
                cross_attn_cfg=dict(attention),
                ffn_cfg=dict(
                    embed_dims=channels, feedforward_channels=ffn_channels, ffn_drop=dropout
                ),
            ),
            return_intermediate=False,
        )

    def init_weights(self) -> None:
        """Initialise the decoder as DETR does (mmdet); the rest keeps torch's initialisation."""
        for parameter in self.decoder.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, feature: Tensor) -> Tensor:
        """``F_4 [B, C_4, H/32, W/32]`` to mask embeddings ``Q_o [B, N, E]``."""
        memory = self.input_project(feature.flatten(2).transpose(1, 2))
        batch = memory.shape[0]
        position = sine_position(self.position, tuple(feature.shape[2:]), memory)
        return self.decoder(
            query=self.query_feat.weight.expand(batch, -1, -1),
            key=memory,
            value=memory,
            query_pos=self.query_embed.weight.expand(batch, -1, -1),
            key_pos=position.expand(batch, -1, -1),
            key_padding_mask=None,
        ).squeeze(0)
