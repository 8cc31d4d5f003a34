# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""LTS-style localisation: our reading of "locate" in Locate then Segment (docs/methods/lts.md).

The paper names two ways, filtering and a transformer, and its body was not available to us: both
are inferred from abstract and caption.
"""

from __future__ import annotations

from torch import Tensor, nn

from magnet_mm.models.decode_heads.vlt_queries import with_positions
from magnet_mm.models.decode_heads.vlt_transformer import VLTDecoderLayer, VLTEncoderLayer
from magnet_mm.models.layers.keras_layers import dense


class FilterLocator(nn.Module):
    """LTS-style: our reading. The sentence becomes a 1x1 filter, correlated with the map.

    Args:
        channels: of the map.
        sentence_channels: width of the sentence vector.
    """

    def __init__(self, channels: int, sentence_channels: int) -> None:
        super().__init__()
        self.filter = dense(sentence_channels, channels + 1)

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:
        """Logits of the object's place ``[B, 1, h, w]``.

        Args:
            x: ``[B, channels, h, w]``.
            sentence: ``[B, sentence_channels]``; it gives the filter and its bias.
        """
        weight, bias = self.filter(sentence).split([x.shape[1], 1], dim=1)
        return _correlate(x, weight) + bias[:, :, None, None]


class TransformerLocator(nn.Module):
    """LTS-style: our reading. The sentence is the one query of a transformer over the pixels.

    Args:
        channels: of the map.
        sentence_channels: width of the sentence vector.
        num_layers: of encoder and decoder each.
        num_heads: attention heads.
        dropout: in training.
    """

    def __init__(
        self,
        channels: int,
        sentence_channels: int,
        num_layers: int = 2,
        num_heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.query = dense(sentence_channels, channels)
        sizes = (channels, num_heads, dropout)
        self.encoder = nn.Sequential(*(VLTEncoderLayer(*sizes) for _ in range(num_layers)))
        self.decoder = nn.ModuleList(VLTDecoderLayer(*sizes) for _ in range(num_layers))
        self.filter = dense(channels, channels + 1)

    def forward(self, x: Tensor, sentence: Tensor) -> Tensor:
        """Logits of the object's place; shapes as for :class:`FilterLocator`."""
        memory = self.encoder(with_positions(x.flatten(2).transpose(1, 2)))
        query = self.query(sentence).unsqueeze(1)
        for layer in self.decoder:
            query = layer(query, memory)
        weight, bias = self.filter(query.squeeze(1)).split([x.shape[1], 1], dim=1)
        places = memory.transpose(1, 2).unflatten(2, x.shape[2:])
        return _correlate(places, weight) + bias[:, :, None, None]


#: What ``locate`` names.
LOCATORS = {'filter': FilterLocator, 'transformer': TransformerLocator}


def _correlate(x: Tensor, weight: Tensor) -> Tensor:
    """Inner products of pixels and a filter ``[B, C]``, over the root of C, ``[B, 1, h, w]``."""
    return (x * weight[:, :, None, None]).sum(1, keepdim=True) / x.shape[1] ** 0.5
