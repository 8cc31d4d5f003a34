# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Four small systems, each of which uses interfaces that MagNet, LAVT and CoupAlign do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from small_models import SMALL
from torch import Tensor, nn

from magnet_mm.evaluation.foreground import ForegroundRule
from magnet_mm.models.targets import no_targets, stack_masks
from magnet_mm.models.text.word_vectors import WordVectors
from magnet_mm.structures import CrossModalFeatures, Prediction, TextFeatures

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SIZE = 64
TOKENS = 8


@MODELS.register_module(force=True)
class VectorGRU(BaseModule):
    """Words by their vectors; the sentence is a GRU's last state, padding in front of it."""

    stagewise = False
    reads_image = False

    def __init__(self, vocabulary_size: int, channels: int = 16) -> None:
        super().__init__()
        self.vectors = WordVectors(vocabulary_size, 12)
        self.gru = nn.GRUCell(12, channels)
        self.vocabulary_size = vocabulary_size
        self.channels = self.sentence_channels = channels

    @property
    def word_embedding(self) -> Tensor:
        return self.vectors.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **text: Tensor) -> TextFeatures:
        embeddings = self.vectors(input_ids)
        # not len(): exporting would make the batch a constant
        state = embeddings.new_zeros(input_ids.shape[0], self.channels)
        states = []
        for step in range(input_ids.shape[1]):
            here = attention_mask[:, step : step + 1].to(state.dtype)
            state = here * self.gru(embeddings[:, step], state) + (1 - here) * state
            states.append(state)
        return TextFeatures(torch.stack(states, 1), attention_mask, state, embeddings)


@MODELS.register_module(force=True)
class SentenceProductHead(BaseModule):
    """Late fusion: the sentence selects channels of a coarse map; one logit at stride 8."""

    num_classes = 1
    out_channels = 1
    align_corners = False
    foreground = ForegroundRule('sigmoid', 0.4, align_corners=False)
    uses_words = False
    pooling = 'own'
    derived_arguments: Sequence[str] = ('sentence_channels',)

    def __init__(self, in_channels: Sequence[int], init_cfg: None = None, **widths: int) -> None:
        super().__init__(init_cfg)
        (width,) = widths.values()
        self.pixels = nn.Conv2d(in_channels[1], 16, 1)
        self.sentence = nn.Linear(width, 16)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        chosen = self.sentence(features.sentence(self.pooling))[..., None, None]
        return Prediction((self.pixels(features.visual[1]) * chosen).sum(1, keepdim=True))

    def loss(self, features: CrossModalFeatures, samples: list, train_cfg=None) -> dict:
        logits = self(features).masks
        masks = F.interpolate(stack_masks(samples), logits.shape[2:])
        return dict(loss_mask=F.binary_cross_entropy_with_logits(logits, masks))


@MODELS.register_module(force=True)
class AnsweringHead(SentenceProductHead):
    """Says itself whether nothing is meant: where no pixel fits."""

    answers_no_target = True
    uses_words = True
    pooling = 'mean'
    derived_arguments = ('text_channels',)

    def forward(self, features: CrossModalFeatures) -> Prediction:
        masks = super().forward(features).masks
        return Prediction(masks, no_target=-masks.flatten(1).amax(1))

    def loss(self, features: CrossModalFeatures, samples: list, train_cfg=None) -> dict:
        answer = self(features).no_target
        absent = F.binary_cross_entropy_with_logits(answer, no_targets(samples).to(answer))
        return dict(super().loss(features, samples), loss_absent=absent)


def _visual() -> dict:
    return dict(type='StagewiseResNet', norm_cfg=dict(type='BN'), **SMALL['StagewiseResNet'])


def _bert(**others: object) -> dict:
    return dict(type='StagewiseBert', groups=(4, 0, 0, 0), **SMALL['StagewiseBert'], **others)


def gru_letterboxed(config: Config) -> None:
    """Word vectors, padding in front, a GRU's state; letterbox; fused in the head."""
    config.model.backbone.text = dict(type='VectorGRU', vocabulary_size=53)
    words = dict(type='WordTokenizer', vocabulary='magnet_mm://refshapes', padding='front')
    for step in pipeline_of(config):
        if step['type'] == 'TokenizeExpression':
            step['tokenizer'] = words
        if step['type'] == 'Resize':
            step.clear()
            step.update(type='Letterbox', size=(SIZE, SIZE), fill=127.5)


def fused_in_two_stages(config: Config) -> None:
    """Language enters two of four stages; LAVT's head reads all of them."""
    fusion = dict(type='LAVTFusion', num_heads=1)
    config.model.backbone.fusion = [None, fusion, None, fusion]
    head = dict(type='LAVTHead', channels=16, norm_cfg=dict(type='BN'))
    config.model.decode_head = ConfigDict(head)


def answering(config: Config) -> None:
    """A decode head that also says whether nothing is meant."""
    config.model.decode_head = ConfigDict(type='AnsweringHead')


def clip_text(config: Config) -> None:
    """CLIP's text tower, ids to words, its end token as the sentence."""
    tower = dict(SMALL['ClipTextEncoder'], embed_channels=24)
    config.model.backbone.text = ConfigDict(type='ClipTextEncoder', **tower)


SYSTEMS: dict[str, Callable[[Config], None]] = {
    one.__name__: one for one in (gru_letterboxed, fused_in_two_stages, answering, clip_text)
}


def pipeline_of(config: Config) -> list[dict]:
    """The steps of the test pipeline; training's are the same."""
    return config.test_dataloader.dataset.pipeline


def small_system(name: str) -> Config:
    """A complete config on RefShapes: 4 objects to train on, twice 2 steps."""
    base = 'lavt_tiny_grefshapes.py' if name == 'answering' else 'lavt_tiny_refshapes.py'
    config = Config.fromfile(str(CONFIGS / base))
    config.model = ConfigDict(
        type='ReferringSegmentor',
        data_preprocessor=dict(config.model.data_preprocessor, size=(SIZE, SIZE)),
        backbone=dict(type='CrossModalEncoder', visual=_visual(), text=_bert(), fusion=None),
        decode_head=dict(type='SentenceProductHead'),
    )
    for step in pipeline_of(config):
        if step['type'] == 'TokenizeExpression':
            step['max_tokens'] = TOKENS
        if step['type'] == 'Resize':
            step['scale'] = (SIZE, SIZE)
    SYSTEMS[name](config)
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].update(batch_size=2, num_workers=0, persistent_workers=False)
        config[name].dataset.pipeline = pipeline_of(config)
    config.train_dataloader.dataset.indices = 4
    config.param_scheduler = []
    config.train_cfg.max_epochs = 2
    config.default_hooks.visualization.val_samples = 2
    config.default_hooks.logger.interval = 1
    return config
