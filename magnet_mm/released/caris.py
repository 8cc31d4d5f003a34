# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released CARIS checkpoints (docs/methods/caris.md)."""

from torch import Tensor

from magnet_mm.released.key_map import KeyMap, bert_rules, swin_layout, swin_rules

_PROMPTS = r'backbone\.conditional_prompts\.'
_LAYER = r'pixel_decoder\.encoder\.(\d+)\.'
_TO_VISUAL = r'decode_head.pixel_decoder.encoder.layers.\1.'
_TO_READING = r'decode_head.pixel_decoder.reading.\1.'
# Released name, ours.
_ATTENTIONS = (
    ('v2l_cross_attn', 'words_to_pixels'),
    ('lang_self_attn', 'words_to_words'),
    ('l2v_cross_attn', 'pixels_to_words'),
)
_PROJECTIONS = (('q_proj', 'query'), ('k_proj', 'key'), ('v_proj', 'value'), ('out_proj', 'out'))


def _values(key: str, tensor: Tensor) -> Tensor:
    """Return the gains without their leading axes, everything else as in other Swins."""
    return tensor.flatten() if key.endswith('_gain') else swin_layout(key, tensor)


CARIS = KeyMap(
    name='released CARIS',
    config='caris_swinb_refcoco.py',
    layouts=('caris',),
    rules=[
        (r'backbone\.vis_encoder\.(norm\d\..+)', r'backbone.visual.\1'),
        *swin_rules(r'backbone\.vis_encoder'),
        *bert_rules(r'backbone\.lang_encoder', 'backbone.text.bert'),
        (rf'{_PROMPTS}in_linears\.(\d)\.(.+)', r'backbone.text.prompts.mlps.\1.0.\2'),
        (rf'{_PROMPTS}out_linears\.(\d)\.(.+)', r'backbone.text.prompts.mlps.\1.2.\2'),
        (rf'{_PROMPTS}lang_prompts\.(.+)', r'backbone.text.prompts.table.\1'),
        (rf'{_PROMPTS}lang_prompts_norm\.(.+)', r'backbone.text.prompts.norm.\1'),
        # The decoder's layers: words and pixels.
        *(
            (rf'{_LAYER}{old}\.{part}\.(.+)', rf'{_TO_READING}{new}.{ours}.\2')
            for old, new in _ATTENTIONS
            for part, ours in _PROJECTIONS
        ),
        (rf'{_LAYER}gamma_v2l', rf'{_TO_READING}word_gain'),
        (rf'{_LAYER}gamma_l2v', rf'{_TO_READING}pixel_gain'),
        (rf'{_LAYER}lang_mlp\.fc1\.(.+)', rf'{_TO_READING}ffn.0.\2'),
        (rf'{_LAYER}lang_mlp\.fc2\.(.+)', rf'{_TO_READING}ffn.2.\2'),
        *(
            (rf'{_LAYER}l_norm{place + 1}\.(.+)', rf'{_TO_READING}word_norms.{place}.\2')
            for place in range(3)
        ),
        # v_norm2 comes first: pixels read the words, then attend to themselves.
        (rf'{_LAYER}v_norm2\.(.+)', rf'{_TO_READING}pixel_norm.\2'),
        (rf'{_LAYER}vis_self_attn\.(.+)', rf'{_TO_VISUAL}self_attn.\2'),
        (rf'{_LAYER}v_norm1\.(.+)', rf'{_TO_VISUAL}norms.0.\2'),
        (rf'{_LAYER}vis_mlp\.fc1\.(.+)', rf'{_TO_VISUAL}ffn.layers.0.0.\2'),
        (rf'{_LAYER}vis_mlp\.fc2\.(.+)', rf'{_TO_VISUAL}ffn.layers.1.\2'),
        (rf'{_LAYER}v_norm3\.(.+)', rf'{_TO_VISUAL}norms.1.\2'),
        # What stands before and behind them.
        (r'pixel_decoder\.lang_in_linear\.(.+)', r'decode_head.language.0.\1'),
        (r'pixel_decoder\.lang_in_norm\.(.+)', r'decode_head.language.1.\1'),
        (r'pixel_decoder\.vis_prompts\.(.+)', r'decode_head.visual_prompts.\1'),
        (r'pixel_decoder\.lang_embed\.(.+)', r'decode_head.class_embed.\1'),
        (
            r'(pixel_decoder\.(?:input_convs|lateral_convs|output_convs|mask_feature'
            r'|level_encoding)\..+)',
            r'decode_head.\1',
        ),
    ],
    without_effect=[r'criterion\.seg_criterion\.weight'],  # 0.9 and 1.1, of the loss
    values=_values,
)
