# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released CMPC checkpoints (docs/methods/cmpc.md)."""

from __future__ import annotations

from collections.abc import Iterator

from magnet_mm.released.key_map import KeyMap
from magnet_mm.released.level_sequence import (
    WITHOUT_EFFECT,
    conv,
    linear_layout,
    norm,
    shared_rules,
)

_LEVELS = ('c3', 'c4', 'c5')


def _rules() -> Iterator[tuple[str, str]]:
    yield from shared_rules(_LEVELS)
    yield from conv('words_parse_1', 'word_types.0')
    yield from conv('words_parse_2', 'word_types.2')
    for level in _LEVELS:
        graph = f'graphs.{level}'
        yield from conv(f'spa_graph_trans2_{level}', f'{graph}.cell')
        yield from conv(f'words_trans_{level}', f'{graph}.word')
        yield from norm(f'gconv_feat_ln_spa_graph_{level}', f'{graph}.norm')
        yield from conv(f'gconv_update_spa_graph_{level}', f'{graph}.update')
        yield from norm(f'gconv_update_ln_spa_graph_{level}', f'{graph}.update_norm')
        for turn, suffix in enumerate(('', '_2')):
            theirs, ours = f'{level}{suffix}', f'rounds.{turn}.{level}'
            yield from conv(f'spa_graph_key_{theirs}gv_f1', f'{ours}.key')
            yield from conv(f'lang_query_{theirs}gv_f1', f'{ours}.query')
            yield from conv(f'gv_lang_{theirs}gv_f1', f'{ours}.summary')
            for other in (1, 2):
                yield from conv(f'lang_feat_{theirs}_f{other}', f'{ours}.gates.{other - 1}')
                yield from conv(f'trans_feat_{theirs}_f{other}', f'{ours}.values.{other - 1}')


CMPC = KeyMap(
    name='released CMPC',
    config='cmpc_r101_refcoco.py',
    layouts=('cmpc',),
    rules=list(_rules()),
    without_effect=WITHOUT_EFFECT,
    values=linear_layout,
)
