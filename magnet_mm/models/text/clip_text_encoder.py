# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""CLIP's text tower (CRIS; docs/methods/cris.md)."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from magnet_mm.errors import ConfigError
from magnet_mm.models.pretrained_clip import load_clip_part
from magnet_mm.structures import TextFeatures


def quick_gelu(x: Tensor) -> Tensor:
    """Apply ``x sigmoid(1.702 x)``, CLIP's activation."""
    return x * torch.sigmoid(1.702 * x)


@MODELS.register_module()
class ClipTextEncoder(BaseModule):
    """A causal transformer over token ids; its sentence is the state of the end token.

    Words are the normalised last states, padding included; the sentence is the one at the largest
    id (CLIP's end token), projected to the embedding width and not normalised [C]. Padding follows
    the sentence, so no word sees it.

    Args:
        channels: width ``D``; 512.
        embed_channels: CLIP's embedding width ``E``; 1024 for RN50, 512 for RN101.
        num_layers: layers; 12.
        num_heads: attention heads; 8.
        vocabulary_size: number of token ids; 49408.
        max_tokens: rows of the position table; 77.
        pretrained: file with a CLIP state dict, see :mod:`magnet_mm.models.pretrained_clip`; None
            starts from scratch.
    """

    stagewise = False
    reads_image = False

    def __init__(
        self,
        channels: int = 512,
        embed_channels: int = 1024,
        num_layers: int = 12,
        num_heads: int = 8,
        vocabulary_size: int = 49408,
        max_tokens: int = 77,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.channels = channels
        self.sentence_channels = embed_channels
        self.pretrained = pretrained
        self.token_embedding = nn.Embedding(vocabulary_size, channels)
        self.positional_embedding = nn.Parameter(torch.empty(max_tokens, channels))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels,
                num_heads,
                dim_feedforward=4 * channels,
                dropout=0.0,
                activation=quick_gelu,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(num_layers)
        )
        self.ln_final = nn.LayerNorm(channels)
        self.text_projection = nn.Parameter(torch.empty(channels, embed_channels))
        # CLIP's own initialisation of what torch's layers do not initialise.
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        nn.init.normal_(self.text_projection, std=channels**-0.5)

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids."""
        return self.token_embedding.num_embeddings

    @property
    def word_embedding(self) -> Tensor:
        """Input embedding ``[vocabulary, D]``."""
        return self.token_embedding.weight

    def init_weights(self) -> None:
        """Load CLIP's text tower, if a file is named.

        Raises:
            CheckpointError: when the file lacks a tensor of the tower.
        """
        if self.pretrained is not None:
            load_clip_part(self, self.pretrained, '', rename=CLIP_LAYERS)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **text: Tensor) -> TextFeatures:
        """Encode ``[B, T]`` int64 ids and mask.

        Raises:
            ConfigError: for more tokens than the position table has.
        """
        length = input_ids.shape[1]
        if length > len(self.positional_embedding):
            raise ConfigError(
                f'Sentences of {length} tokens do not fit the {len(self.positional_embedding)} '
                'positions of ClipTextEncoder: lower max_tokens of TokenizeExpression.'
            )
        embeddings = self.token_embedding(input_ids)
        states = embeddings + self.positional_embedding[:length]
        later = torch.ones(length, length, dtype=torch.bool, device=states.device).triu(1)
        for layer in self.layers:
            states = layer(states, src_mask=later)
        words = self.ln_final(states)
        end = input_ids.argmax(1)[:, None, None].expand(-1, 1, words.shape[-1])
        sentence = words.gather(1, end).squeeze(1) @ self.text_projection
        return TextFeatures(words, attention_mask, sentence=sentence, embeddings=embeddings)


# A layer of OpenAI's files and of torch's TransformerEncoderLayer.
CLIP_LAYERS = (
    (r'transformer\.resblocks\.(\d+)\.attn\.(.+)', r'layers.\1.self_attn.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_fc\.(.+)', r'layers.\1.linear1.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_proj\.(.+)', r'layers.\1.linear2.\2'),
    (r'transformer\.resblocks\.(\d+)\.ln_([12])\.(.+)', r'layers.\1.norm\2.\3'),
)
