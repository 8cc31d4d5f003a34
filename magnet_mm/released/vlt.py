# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of published VLT weights, Keras 2.3 ``.h5`` files (docs/methods/vlt.md).

A key is a variable's TensorFlow name without the ``:0``, such as ``conv2d_1/kernel``. Keras numbers
its layers in the order in which the network was written down, so a number is a place.
"""

from __future__ import annotations

from collections.abc import Iterator

from magnet_mm.released.keras_file import tensorflow_layout
from magnet_mm.released.key_map import KeyMap

_DARKNET_BLOCKS = (1, 2, 8, 8, 4)
_HEAD = 'decode_head.'
_PYRAMID = _HEAD + 'pyramid.'
_QUERIES = _HEAD + 'queries.'
_MASKS = _HEAD + 'mask_decoder.'

# (number of the convolution, number of its batch norm, our module), in the order of the network.
_CONVOLUTIONS = (
    (59, 59, f'{_PYRAMID}residual.0'),
    (60, 60, f'{_PYRAMID}residual.1'),
    (61, 63, f'{_PYRAMID}middle_project'),
    (62, 64, f'{_PYRAMID}middle'),
    (63, 65, f'{_PYRAMID}fine_project'),
    (64, 66, f'{_PYRAMID}query'),
    (65, 67, f'{_PYRAMID}query_context.0'),
    (66, 68, f'{_PYRAMID}query_context.1'),
    (67, 69, f'{_PYRAMID}context_project'),
    (68, 70, f'{_PYRAMID}join'),
    (69, 71, f'{_PYRAMID}out'),
    *((70 + i, 72 + i, f'{_QUERIES}net.{i}') for i in range(3)),
    *((74 + i, 75 + i, f'{_MASKS}coarse.{i}') for i in range(3)),
    *((77 + i, 78 + i, f'{_MASKS}finer.{i}') for i in range(3)),
)
_PLAIN_CONVOLUTIONS = ((73, f'{_QUERIES}maps'), (80, f'{_MASKS}logits'))
_BATCH_NORMS = ((61, f'{_PYRAMID}sentence_norm'), (62, f'{_PYRAMID}product.0'))
_DENSE = (
    'backbone.text.attention.score.0',
    f'{_PYRAMID}sentence_project',
    f'{_QUERIES}map_project.0',
    f'{_QUERIES}word_project.0',
    f'{_QUERIES}query.0',
    f'{_QUERIES}key.0',
    f'{_QUERIES}value.0',
    f'{_HEAD}balance.query.0',
    f'{_HEAD}balance.found.0',
    f'{_HEAD}balance.confidence.0.0',
    f'{_HEAD}balance.confidence.1',
    f'{_HEAD}response.0',
)
_ATTENTION = (('q', 'query'), ('k', 'key'), ('v', 'value'), ('o', 'out'))


def _darknet() -> Iterator[str]:
    """Our convolutions of Darknet-53 and of the six behind it, as they follow one another."""
    visual = 'backbone.visual.'
    yield f'{visual}conv1'
    for stage, blocks in enumerate(_DARKNET_BLOCKS, start=1):
        yield f'{visual}conv_res_block{stage}.conv'
        for block in range(blocks):
            for conv in ('conv1', 'conv2'):
                yield f'{visual}conv_res_block{stage}.res{block}.{conv}'
    for index in range(6):
        yield f'{visual}head_convs.{index}'


def _batch_norm(number: int, ours: str) -> Iterator[tuple[str, str]]:
    names = (
        ('gamma', 'weight'),
        ('beta', 'bias'),
        ('moving_mean', 'running_mean'),
        ('moving_variance', 'running_var'),
    )
    for theirs, name in names:
        yield rf'batch_normalization_{number}/{theirs}', f'{ours}.{name}'


def _affine(layer: str, ours: str) -> Iterator[tuple[str, str]]:
    yield rf'{layer}/kernel', f'{ours}.weight'
    yield rf'{layer}/bias', f'{ours}.bias'


def _attention(layer: str, ours: str) -> Iterator[tuple[str, str]]:
    for letter, name in _ATTENTION:
        yield rf'{layer}/{layer}_W{letter}', f'{ours}.{name}.weight'
        yield rf'{layer}/{layer}_b{letter}', f'{ours}.{name}.bias'


def _norm(layer: str, ours: str) -> Iterator[tuple[str, str]]:
    yield rf'{layer}-Norm/gamma', f'{ours}.weight'
    yield rf'{layer}-Norm/beta', f'{ours}.bias'


def _transformer() -> Iterator[tuple[str, str]]:
    """Two layers of encoder and decoder each."""
    parts = {
        'Encoder': (('MultiHeadSelfAttention', 'attention', 1), ('FeedForward', 'ffn', 2)),
        'Decoder': (
            ('MultiHeadSelfAttention', 'attention', 1),
            ('MultiHeadQueryAttention', 'cross', 2),
            ('FeedForward', 'ffn', 3),
        ),
    }
    for stack, members in parts.items():
        for index in (1, 2):
            ours = f'{_HEAD}{stack.lower()}.{index - 1}.'
            for part, name, norm in members:
                layer = f'{stack}-{index}-{part}'
                yield from _norm(layer, f'{ours}norm{norm}')
                if name != 'ffn':
                    yield from _attention(layer, f'{ours}{name}')
                    continue
                for number, place in ((1, 0), (2, 2)):
                    yield rf'{layer}/{layer}_W{number}', f'{ours}ffn.{place}.weight'
                    yield rf'{layer}/{layer}_b{number}', f'{ours}ffn.{place}.bias'


def _rules() -> Iterator[tuple[str, str]]:
    convolutions = [(i, i, ours) for i, ours in enumerate(_darknet(), start=1)]
    for number, norm, ours in (*convolutions, *_CONVOLUTIONS):
        yield rf'conv2d_{number}/kernel', f'{ours}.conv.weight'
        yield from _batch_norm(norm, f'{ours}.bn')
    for number, ours in _PLAIN_CONVOLUTIONS:
        yield from _affine(f'conv2d_{number}', ours)
    for number, ours in _BATCH_NORMS:
        yield from _batch_norm(number, ours)
    for number, ours in enumerate(_DENSE, start=1):
        yield from _affine(f'dense_{number}', ours)
    for direction in ('forward', 'backward'):
        theirs, ours = rf'(?:.+/)?{direction}_gru_1', f'backbone.text.gru.{direction}s'
        yield from _affine(theirs, f'{ours}.input')
        yield rf'{theirs}/recurrent_kernel', f'{ours}.recurrent.weight'
    yield from _attention('multi_head_attention_1', f'{_QUERIES}attention')
    yield from _transformer()


VLT = KeyMap(
    name='published VLT',
    config='vlt_darknet53_refcoco.py',
    layouts=('vlt',),
    rules=list(_rules()),
    without_effect=[],
    values=tensorflow_layout,
    own=('backbone.text.word_vectors',),
)
