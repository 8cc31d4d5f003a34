# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Mask Grounding (MagNet, CVPR 2024, sec. 3.2, supplement sec. 5; docs/methods/magnet.md).

The model must recover masked words from the sentence, the image and the object's mask:
``loss = CE(word, Predictor([O; P; C]))`` with words ``O``, image tokens ``P`` and one mask token
``C``. Words are masked before the text encoder [S].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertEncoder, BertPredictionHeadTransform

from magnet_mm.errors import ConfigError
from magnet_mm.models.layers import cell_centres
from magnet_mm.models.targets import stack_masks
from magnet_mm.structures import CrossModalFeatures

# Value of word_targets where the word is not masked.
NO_TARGET = -1


@MODELS.register_module()
class MaskGroundingHead(BaseModule):
    """Corrupts the sentence and predicts the true words from words, image and mask.

    Args:
        visual_channels: channels of ``F_1..F_4``, filled in by the segmentor; the last map is read.
        text_channels: ``D``, filled in by the segmentor.
        vocabulary_size: number of token ids, filled in by the segmentor.
        mask_token_id: id of [MASK]; 103 in bert-base-uncased.
        corruption: probability that a word is masked, so that the loss asks for it; 0.15 [P supp.].
        masked_share: share of those replaced by [MASK], the rest stays as it is; 0.9 [S, the
            author points at ovr-cnn].
        num_layers: BERT layers of the token predictor; 8 [P supp.].
        num_heads: their heads; 12 (our choice, BERT-base).
        ffn_channels: their FFN width; 3072 (our choice, BERT-base).
        loss_weight: 1.0 (our choice).
        mask_encoder: config of what makes the mask token; None takes :class:`CentreMaskEncoder`.

    Raises:
        ConfigError: when ``mask_token_id`` is outside the vocabulary.
    """

    derived_arguments = ('visual_channels', 'text_channels', 'vocabulary_size')

    def __init__(
        self,
        visual_channels: Sequence[int],
        text_channels: int,
        vocabulary_size: int,
        mask_token_id: int = 103,
        corruption: float = 0.15,
        masked_share: float = 0.9,
        num_layers: int = 8,
        num_heads: int = 12,
        ffn_channels: int = 3072,
        loss_weight: float = 1.0,
        mask_encoder: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= mask_token_id < vocabulary_size:
            raise ConfigError(
                f'mask_token_id={mask_token_id}, but the text encoder has the token ids 0 to '
                f"{vocabulary_size - 1}. Give the id of [MASK] in the tokenizer's vocabulary: 103 "
                'in bert-base-uncased, 4 in magnet_mm://refshapes.'
            )
        self.mask_token_id = mask_token_id
        self.corruption = corruption
        self.masked_share = masked_share
        self.loss_weight = loss_weight
        # Visual tokens: LayerNorm(Linear(feature) + Linear(cell centre)), dropout 0.1 [C ovr-cnn].
        self.visual_project = nn.Linear(visual_channels[-1], text_channels)
        self.location_project = nn.Linear(2, text_channels)
        self.visual_norm = nn.LayerNorm(text_channels)
        self.dropout = nn.Dropout(0.1)
        self.mask_encoder = MODELS.build(
            dict(
                mask_encoder or dict(type='CentreMaskEncoder'),
                visual_channels=visual_channels,
                text_channels=text_channels,
            )
        )
        sizes = BertConfig(
            hidden_size=text_channels,
            num_hidden_layers=num_layers,
            num_attention_heads=num_heads,
            intermediate_size=ffn_channels,
        )
        sizes._attn_implementation = 'sdpa'
        self.predictor = BertEncoder(sizes)
        # torch's own initialisation: 0.021 at width 768, where BERT has 0.02.
        # LM head: dense, GELU, LayerNorm; the output weight is tied to the word embedding.
        self.transform = BertPredictionHeadTransform(sizes)
        self.vocabulary_bias = nn.Parameter(torch.zeros(vocabulary_size))

    def corrupt_text(self, input_ids: Tensor, special_tokens_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mask some words: most are replaced by [MASK], the rest stay as they are.

        Args:
            input_ids: ``[B, T]`` int64.
            special_tokens_mask: ``[B, T]`` int64, 1 for [CLS], [SEP] and padding, which are never
                chosen.

        Returns:
            Corrupted ids ``[B, T]`` and word targets ``[B, T]`` (true id, or -1 if not masked).
        """
        chance = torch.rand(2, *input_ids.shape, device=input_ids.device)
        masked = (special_tokens_mask == 0) & (chance[0] < self.corruption)
        replaced = masked & (chance[1] < self.masked_share)
        return (
            input_ids.masked_fill(replaced, self.mask_token_id),
            input_ids.masked_fill(~masked, NO_TARGET),
        )

    def loss(
        self, features: CrossModalFeatures, batch_data_samples: list, train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Cross-entropy of the masked words, and how many of them are named right.

        Returns:
            ``loss_grounding``, the mean over the masked words of all ranks, and ``acc_words``, the
            percentage whose likeliest word is the true one (logged, no loss); 0 if none.
        """
        masks = stack_masks(batch_data_samples)
        # An object without pixels grounds nothing.
        empty = ~masks.flatten(1).any(1, keepdim=True)
        targets = features.word_targets.masked_fill(empty, NO_TARGET)
        states = self.predict_words(features, masks)
        # Every word, not states[masked]: an accelerator would have to be waited for.
        predicted = self.transform(states)
        logits = F.linear(predicted, features.word_embedding, self.vocabulary_bias).float()
        total = F.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=NO_TARGET, reduction='sum'
        )
        count = (targets != NO_TARGET).sum().float()
        all_reduce(count)
        loss = total * get_world_size() / count.clamp(min=1)
        named = (logits.argmax(-1) == targets).sum()  # NO_TARGET is no word
        return dict(
            loss_grounding=self.loss_weight * loss,
            acc_words=100 * named * get_world_size() / count.clamp(min=1),
        )

    def predict_words(self, features: CrossModalFeatures, masks: Tensor) -> Tensor:
        """Run the predictor over ``[O; P; C]``.

        Args:
            features: words ``[B, T, D]`` of the corrupted sentence and the last visual map.
            masks: float ``[B, 1, H, W]`` 0/1.

        Returns:
            States of the words ``[B, T, D]``.
        """
        visual = features.visual[-1]
        locations = cell_centres(visual.shape[2], visual.shape[3], visual.device).to(visual.dtype)
        tokens = self.visual_project(visual.flatten(2).transpose(1, 2))
        tokens = self.dropout(self.visual_norm(tokens + self.location_project(locations)))
        mask_token = self.mask_encoder(features.visual, masks).unsqueeze(1)
        states = torch.cat([features.words, tokens, mask_token], dim=1)
        batch, length = features.word_mask.shape
        visible = torch.ones(batch, states.shape[1], dtype=torch.bool, device=states.device)
        visible[:, :length] = features.word_mask.bool()
        for layer in self.predictor.layer:
            output = layer(states, visible[:, None, None, :])
            states = output if isinstance(output, Tensor) else output[0]
        return states[:, :length]
