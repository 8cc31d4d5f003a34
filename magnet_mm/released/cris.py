# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released CRIS checkpoints (docs/methods/cris.md)."""

from magnet_mm.models.text.clip_text_encoder import CLIP_LAYERS
from magnet_mm.released.key_map import KeyMap, as_they_are

_NECK = (
    (r'f1_v_proj', 'coarse'),
    (r'f2_v_proj', 'middle'),
    (r'f2_cat', 'join_middle'),
    (r'f3_v_proj', 'fine'),
    (r'f3_cat', 'join_fine'),
    (r'f4_proj3', 'refine.0'),
    (r'f4_proj4', 'refine.1'),
    (r'f4_proj5', 'refine.2'),
    (r'aggr', 'join'),
    (r'coordconv\.0\.conv1', 'coordinates.0'),
    (r'coordconv\.1', 'coordinates.1'),
)
_CONVS = (
    *((rf'neck\.{old}', f'decode_head.neck.{new}') for old, new in _NECK),
    (r'proj\.vis\.1', 'decode_head.projector.convs.0'),
    (r'proj\.vis\.3', 'decode_head.projector.convs.1'),
)

CRIS = KeyMap(
    name='released CRIS',
    config='cris_r101_refcoco.py',
    layouts=('cris',),
    rules=[
        (r'backbone\.visual\.(.+)', r'backbone.visual.\1'),
        *((rf'backbone\.{old}', rf'backbone.text.{new}') for old, new in CLIP_LAYERS),
        (
            r'backbone\.(token_embedding\.weight|positional_embedding|ln_final\..+|text_projection)',
            r'backbone.text.\1',
        ),
        *(
            rule
            for old, new in _CONVS
            for rule in (
                (rf'{old}\.0\.(.+)', rf'{new}.conv.\1'),
                (rf'{old}\.1\.(.+)', rf'{new}.bn.\1'),
            )
        ),
        (r'neck\.txt_proj\.(.+)', r'decode_head.neck.sentence.\1'),
        (r'neck\.norm_layer\.0\.(.+)', r'decode_head.neck.product_norm.\1'),
        (r'(decoder\.layers\.\d+)\.multihead_attn\.(.+)', r'decode_head.\1.cross_attn.\2'),
        (r'(decoder\..+)', r'decode_head.\1'),
        (r'proj\.vis\.4\.(.+)', r'decode_head.projector.project.\1'),
        (r'proj\.txt\.(.+)', r'decode_head.projector.kernel.\1'),
    ],
    without_effect=[r'backbone\.logit_scale'],
    values=as_they_are,
)
