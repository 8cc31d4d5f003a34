# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released LAVT checkpoints, in the ``lavt_one`` layout (docs/methods/lavt.md).

The older layout keeps the BERT beside the model; :mod:`magnet_mm.released.published` puts it
under ``text_encoder.`` first.
"""

from magnet_mm.released.key_map import PWAM_PARTS, KeyMap, bert_rules, swin_rules

_LAYER = r'backbone\.layers\.(\d+)\.'
_FUSION = r'backbone.fusion.\1.'


def top_down_rules() -> list[tuple[str, str]]:
    """Rules of LAVT's decoder: ``conv1_4`` is the first convolution of the coarsest step."""
    rules = []
    for released, level in ((4, 0), (3, 1), (2, 2)):
        for conv in (1, 2):
            ours = f'decode_head.levels.{level}.{conv - 1}.'
            rules.append((rf'classifier\.conv{conv}_{released}\.(.+)', rf'{ours}conv.\1'))
            rules.append((rf'classifier\.bn{conv}_{released}\.(.+)', rf'{ours}bn.\1'))
    return [*rules, (r'classifier\.conv1_1\.(.+)', r'decode_head.conv_seg.\1')]


LAVT = KeyMap(
    name='released LAVT',
    config='lavt_swinb_refcoco.py',
    layouts=('lavt_one', 'lavt'),
    rules=[
        # PWAM, its gate and the output norm, before the rules of the plain Swin.
        *((rf'{_LAYER}fusion\.{old}\.(.+)', rf'{_FUSION}pwam.{new}.\2') for old, new in PWAM_PARTS),
        (rf'{_LAYER}res_gate\.0\.weight', rf'{_FUSION}gate.hidden.weight'),
        (rf'{_LAYER}res_gate\.2\.weight', rf'{_FUSION}gate.out.weight'),
        (r'backbone\.norm(\d)\.(.+)', r'backbone.fusion.\1.norm.\2'),
        *swin_rules('backbone'),
        *bert_rules('text_encoder'),
        *top_down_rules(),
    ],
    without_effect=[
        r'backbone\.layers\.3\.res_gate\..+',  # the last stage feeds no other
        r'text_encoder\.embeddings\.position_ids',  # 0, 1, 2 ...; a buffer of old transformers
    ],
)
