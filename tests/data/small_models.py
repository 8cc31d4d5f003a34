# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every shipped component at toy size: what a test changes in a config to build it in a moment.

A new system adds its types here, see docs/add_a_method.md.
"""

from __future__ import annotations

from typing import Any

_BERT = dict(
    vocab_size=200,
    hidden_size=32,
    num_hidden_layers=4,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)

#: Type to the arguments that make it small.
SMALL: dict[str, dict[str, Any]] = {
    # image encoders
    'StagewiseSwin': dict(
        embed_dims=16, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, init_cfg=None
    ),
    'StagewiseResNet': dict(depth=18, base_channels=8, stem_channels=8, init_cfg=None),
    'StemStageResNet': dict(depth=18, wide=False, base_channels=8, init_cfg=None),
    'StagewiseDarknet': dict(init_cfg=None),  # its widths are fixed: see narrow_darknet
    'YoloDarknet': dict(init_cfg=None),
    'StagewiseClipResNet': dict(
        width=8, num_blocks=(1, 1, 1, 1), embed_channels=16, pretrained=None
    ),
    'StagewiseDeepLabResNet': dict(depth=18, base_channels=8, init_cfg=None),
    # text encoders
    'StagewiseBert': dict(pretrained=None, config=_BERT),
    'EFNTextEncoder': dict(vocabulary_size=200, channels=32),
    'ImagePromptedBert': dict(pretrained=None, config=_BERT),
    'ClipTextEncoder': dict(
        channels=32,
        embed_channels=16,
        num_layers=1,
        num_heads=2,
        vocabulary_size=200,
        max_tokens=32,
        pretrained=None,
    ),
    'VLTText': dict(vocabulary_size=200, channels=32, word_vectors=dict(channels=16)),
    # fusion modules
    'EFNFusion': dict(channels=32, attention_channels=8),
    'CrossVLTFusion': dict(head_channels=8, word_heads=2, word_ffn_channels=32),
    'WordLSTM': dict(vocabulary_size=200, embed_channels=16, channels=32, vectors=None),
    # decode heads
    'OneQueryMask2FormerHead': dict(
        channels=32, num_heads=2, encoder_layers=1, decoder_layers=3, decoder_ffn_channels=32
    ),
    'CoupAlignHead': dict(embed_channels=16),
    'ReLAHead': dict(
        grid=3, channels=32, num_heads=2, encoder_layers=1, decoder_layers=2, ffn_channels=(32, 32)
    ),
    'VLTHead': dict(
        grid=(4, 4), channels=16, num_queries=3, transformer=dict(num_layers=1, num_heads=2)
    ),
    'LTSHead': dict(channels=16),
    'EFNHead': dict(channels=4),
    'CARISHead': dict(
        channels=32, num_layers=1, num_heads=2, attention_channels=32, ffn_channels=32
    ),
    'CRISHead': dict(num_layers=1, num_heads=2, ffn_channels=32),
    'CMPCHead': dict(grid=(8, 8), channels=32, fused_channels=16, type_channels=16),
    'LSCMHead': dict(grid=(8, 8), channels=32, fused_channels=16),
    # auxiliary heads
    'StageAlignmentHead': dict(channels=16),
    'MaskGroundingHead': dict(num_layers=1, num_heads=2, ffn_channels=32, corruption=0.5),
}


def shrink(model: dict) -> dict:
    """Make a model config small, in place: the same components, without pretrained weights."""
    text = model['backbone']['text']
    if text['type'] == 'StagewiseBert':
        text['groups'] = [4, 0, 0, 0] if 0 in text['groups'] else [1, 1, 1, 1]
        if text.get('frozen'):
            text['frozen'] = ['embeddings', 'encoder.layer.3']
    if model['decode_head'].get('mask_generator'):
        model['decode_head']['mask_generator'].update(num_layers=1, num_heads=2, ffn_channels=16)
    _shrink(model)
    return model


def _shrink(config: Any) -> None:
    if isinstance(config, dict):
        for value in config.values():
            _shrink(value)
        config.update(SMALL.get(config.get('type'), {}))
    elif isinstance(config, list | tuple):
        for value in config:
            _shrink(value)
