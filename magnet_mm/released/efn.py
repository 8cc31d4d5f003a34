# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released EFN checkpoints, a bare state dict (docs/methods/efn.md)."""

from magnet_mm.released.key_map import KeyMap, as_they_are

# The three layers of a convolution with batch norm and PReLU: (released name, our place).
_UNIT = (('conv', 0), ('bn', 1), ('relu', 2))


def _unit(released: str, ours: str) -> list[tuple[str, str]]:
    """Rules of one convolution with batch norm and PReLU, by prefix."""
    return [(rf'{released}\.{name}\.(.+)', rf'{ours}.{place}.\1') for name, place in _UNIT]


def _fusion(level: int) -> list[tuple[str, str]]:
    ours = f'backbone.fusion.{level - 1}'
    return [
        (rf'c{level}_lang\.0\.(.+)', rf'{ours}.word_project.linear.\1'),
        (rf'c{level}_lang\.1\.(.+)', rf'{ours}.word_project.norm.\1'),
        *_unit(f'lang_c{level}_1', f'{ours}.reduce'),
        *_unit(f'lang_c{level}_2', f'{ours}.mix'),
        *_unit(f'lang_c{level}_3', f'{ours}.expand'),
        (rf'wordvisual{level}\.visual\.(.+)', rf'{ours}.word_map.query.\1'),
        (rf'attention{level}\.linear_e\.(.+)', rf'{ours}.coattention.visual_query.\1'),
        (rf'attention{level}\.linear_q\.(.+)', rf'{ours}.coattention.word_query.\1'),
        (rf'attention{level}\.conv1\.(.+)', rf'{ours}.coattention.visual_out.\1'),
        (rf'attention{level}\.conv2\.(.+)', rf'{ours}.coattention.word_out.\1'),
    ]


def _step(released: int) -> list[tuple[str, str]]:
    """Return the rules of a decoder step, 5 (coarse) to 2; its output and heads count one less."""
    step = f'decode_head.steps.{5 - released}'
    side = f'decode_head.sides.{5 - released}'
    level = released - 1
    output = rf'output{level}' if level > 1 else r'output1\.0'
    rules = [
        (rf'squeeze_body_edge{released}\.down\.(.+)', rf'{step}.split.down.\1'),
        (rf'squeeze_body_edge{released}\.flow_make\.(.+)', rf'{step}.split.flow.\1'),
        (rf'squeeze_body_edge{released}\.fc_loc\.(.+)', rf'{step}.split.locate.\1'),
        (rf'edge_fusion{released}\.(.+)', rf'{step}.edge_fusion.\1'),
        *_unit(output, f'{step}.output'),
    ]
    for name, ours in (('edge_out', 'edge'), ('dsn_seg_body', 'body'), ('final_seg', 'mask')):
        rules += _unit(rf'{name}{level}\.0', f'{side}.{ours}')
        rules.append((rf'{name}{level}\.1\.(.+)', rf'{side}.{ours}.3.\1'))
    return rules


EFN = KeyMap(
    name='released EFN',
    config='efn_wide-r101_refcoco.py',
    layouts=('efn',),
    values=as_they_are,
    rules=[
        (r'img_bn\.(.+)', r'backbone.visual.input_norm.\1'),
        (r'scale1\.0\.(.+)', r'backbone.visual.conv1.\1'),
        (r'scale1\.1\.(.+)', r'backbone.visual.bn1.\1'),
        (r'scale2\.1\.(.+)', r'backbone.visual.layer1.\1'),
        (r'scale3\.(.+)', r'backbone.visual.layer2.\1'),
        (r'scale4\.(.+)', r'backbone.visual.layer3.\1'),
        (r'scale5\.(.+)', r'backbone.visual.layer4.\1'),
        (r'textmodel\.embedding\.(.+)', r'backbone.text.embedding.\1'),
        (r'textmodel\.mlp\.0\.(.+)', r'backbone.text.mlp.0.\1'),
        (r'textmodel\.rnn\.(.+)_reverse', r'backbone.text.backward_rnn.\1'),
        (r'textmodel\.rnn\.(.+)', r'backbone.text.forward_rnn.\1'),
        (r'mapping_lang\.0\.(.+)', r'backbone.text.word_project.linear.\1'),
        (r'mapping_lang\.1\.(.+)', r'backbone.text.word_project.norm.\1'),
        (r'mapping_hT\.(.+)', r'backbone.text.sentence_project.\1'),
        *(rule for level in (3, 4, 5) for rule in _fusion(level)),
        *(
            rule
            for level in (1, 2, 3, 4, 5)
            for rule in _unit(f'reduced_c{level}', f'decode_head.reduce.{level - 1}')
        ),
        *_unit('output5', 'decode_head.first'),
        *(rule for step in (5, 4, 3, 2) for rule in _step(step)),
        (r'output1\.1\.(.+)', r'decode_head.steps.3.output.3.\1'),
    ],
    without_effect=[],
)
