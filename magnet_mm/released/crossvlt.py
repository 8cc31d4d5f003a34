# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released CrossVLT checkpoints (docs/methods/crossvlt.md).

Published is a bare state dict without ``temp``; the training script writes one with it, under
``model``.
"""

from magnet_mm.released.key_map import KeyMap, swin_rules
from magnet_mm.released.lavt import top_down_rules

_STAGE = r'backbone\.(\d+)\.layers'
_FUSION = r'backbone.fusion.\1.'
_ALIGNMENT = 'auxiliary_head.0.'

# The parts of a fusion: (released name, our name).
_FUSION_PARTS = (
    (r'v_q\.0', 'attention.query'),
    ('l_q', 'attention.key'),
    ('values_l', 'attention.value'),
    (r'w_v\.0', 'attention.out'),
    (r'project_mm\.0', 'project'),
)


def _language_rules(stage: int) -> list[tuple[str, str]]:
    """Rules of a language stage, 2 to 4: its opening belongs to the fusion before it."""
    released, opening = rf'lang_stage{stage}', f'backbone.fusion.{stage - 2}.word_update.'
    attention = rf'{released}\.crossattention\.'
    return [
        (rf'{attention}self\.(query|key|value)\.(.+)', rf'{opening}\1.\2'),
        (rf'{attention}output\.(.+)', rf'{opening}attention_output.\1'),
        (rf'{released}\.(intermediate|output)\.(.+)', rf'{opening}\1.\2'),
        (rf'{released}\.layer\.0\.(.+)', rf'backbone.text.encoder.layer.{stage + 4}.\1'),
        (rf'{released}\.proj\.(.+)', rf'{_ALIGNMENT}sentence_projects.{stage - 1}.\1'),
    ]


CROSSVLT = KeyMap(
    name='released CrossVLT',
    config='crossvlt_swinb_refcoco.py',
    layouts=('crossvlt',),
    rules=[
        *(
            (rf'{_STAGE}\.attn1\.{old}\.(.+)', rf'{_FUSION}inside.{new}.\2')
            for old, new in _FUSION_PARTS
        ),
        *(
            (rf'{_STAGE}\.attn2\.{old}\.(.+)', rf'{_FUSION}behind.{new}.\2')
            for old, new in _FUSION_PARTS
        ),
        (rf'{_STAGE}\.linear1\.0\.weight', rf'{_FUSION}inside_gate.hidden.weight'),
        (rf'{_STAGE}\.linear1\.2\.weight', rf'{_FUSION}inside_gate.out.weight'),
        (rf'{_STAGE}\.linear2\.0\.weight', rf'{_FUSION}behind_gate.hidden.weight'),
        (rf'{_STAGE}\.linear2\.2\.weight', rf'{_FUSION}behind_gate.out.weight'),
        (rf'{_STAGE}\.proj\.(.+)', rf'{_ALIGNMENT}pixel_projects.\1.\2'),
        (r'backbone\.(\d+)\.norm\d\.(.+)', rf'{_FUSION}norm.\2'),
        *swin_rules(r'backbone\.0', _STAGE),
        (r'lang_stage1\.encoder\.proj\.(.+)', rf'{_ALIGNMENT}sentence_projects.0.\1'),
        (r'lang_stage1\.((?:embeddings|encoder)\..+)', r'backbone.text.\1'),
        *(rule for stage in (2, 3, 4) for rule in _language_rules(stage)),
        *top_down_rules(),
        ('temp', f'{_ALIGNMENT}temperature'),
    ],
    without_effect=[
        r'backbone\.3\.layers\.linear1\..+',  # the last stage feeds no other
        r'lang_stage1\.embeddings\.position_ids',  # 0, 1, 2 ...; a buffer of old transformers
    ],
)
