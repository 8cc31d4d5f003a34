# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released LSCM checkpoints (docs/methods/lscm.md)."""

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

_LEVELS = ('c2', 'c3', 'c4', 'c5')


def _rules() -> Iterator[tuple[str, str]]:
    yield from shared_rules(_LEVELS)
    for level in _LEVELS:
        graph = f'graphs.{level}'
        yield from conv(f'vis_key_{level}', f'{graph}.cell')
        yield from conv(f'words_query_{level}', f'{graph}.word')
        yield from conv(f'vagr_query_{level}', f'{graph}.query')
        yield from conv(f'vagr_key_{level}', f'{graph}.key')
        yield from norm(f'gconv_feat_ln_g1_{level}', f'{graph}.norm')
        yield from conv(f'gconv_update_g1_{level}', f'{graph}.update')
        yield from norm(f'gconv_update_ln_g1_{level}', f'{graph}.update_norm')


LSCM = KeyMap(
    name='released LSCM',
    config='lscm_r101_refcoco.py',
    layouts=('lscm',),
    rules=list(_rules()),
    without_effect=WITHOUT_EFFECT,
    values=linear_layout,
)
