# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of the released MagNet checkpoint (docs/methods/magnet.md)."""

from magnet_mm.released.deformable_rules import pixel_decoder_rules
from magnet_mm.released.key_map import PWAM_PARTS, KeyMap, bert_rules, swin_rules

_LAYER = r'image_model\.layers\.(\d+)\.'
_FUSION = r'backbone.fusion.\1.'
_DECODER = r'classifier\.predictor\.transformer_'
_TO_DECODER = r'decode_head.transformer_decoder.layers.\1.'
_TEXT = r'language_model\.pwams\.(\d+)\.'

MAGNET = KeyMap(
    name='released MagNet',
    config='magnet_swinb_refcoco_released.py',
    layouts=('magnet',),
    rules=[
        *swin_rules('image_model'),
        *bert_rules('language_model'),
        # Image PWAM, its gate, and CAM.
        *((rf'{_LAYER}fusion\.{old}\.(.+)', rf'{_FUSION}pwam.{new}.\2') for old, new in PWAM_PARTS),
        (rf'{_LAYER}res_gate\.0\.weight', rf'{_FUSION}gate.hidden.weight'),
        (rf'{_LAYER}res_gate\.2\.weight', rf'{_FUSION}gate.out.weight'),
        (
            rf'{_LAYER}pyramids\.(\d+)\.1\.weight',
            rf'{_FUSION}alignment.levels.\2.mixer.0.weight',
        ),
        (
            rf'{_LAYER}pyramids\.(\d+)\.2\.(.+)',
            rf'{_FUSION}alignment.levels.\2.mixer.1.\3',
        ),
        (
            rf'{_LAYER}pyramids\.(\d+)\.3\.weight',
            rf'{_FUSION}alignment.levels.\2.mixer.2.weight',
        ),
        (
            rf'{_LAYER}pyramids\.(\d+)\.5\.weight',
            rf'{_FUSION}alignment.levels.\2.mixer.4.weight',
        ),
        *(
            (
                rf'{_LAYER}fusions\.(\d+)\.{old}\.(.+)',
                rf'{_FUSION}alignment.levels.\2.pwam.{new}.\3',
            )
            for old, new in PWAM_PARTS
        ),
        (rf'{_LAYER}mixer\.(\d)\.(.+)', rf'{_FUSION}alignment.mixer.\2.\3'),
        # Text PWAM and its gate.
        (rf'{_TEXT}vis_project\.0\.(.+)', rf'{_FUSION}text_pwam.text_project.\2'),
        (rf'{_TEXT}image_lang_att\.f_query\.0\.(.+)', rf'{_FUSION}text_pwam.query.\2'),
        (rf'{_TEXT}image_lang_att\.f_key\.0\.(.+)', rf'{_FUSION}text_pwam.key.\2'),
        (rf'{_TEXT}image_lang_att\.f_value\.0\.(.+)', rf'{_FUSION}text_pwam.value.\2'),
        (rf'{_TEXT}image_lang_att\.W\.0\.(.+)', rf'{_FUSION}text_pwam.out.\2'),
        (rf'{_TEXT}project_mm\.0\.(.+)', rf'{_FUSION}text_pwam.project.\2'),
        (r'language_model\.res_gates\.(\d)\.0\.weight', rf'{_FUSION}text_gate.hidden.weight'),
        (r'language_model\.res_gates\.(\d)\.2\.weight', rf'{_FUSION}text_gate.out.weight'),
        *pixel_decoder_rules(r'classifier\.pixel_decoder'),
        # Transformer decoder: cross-attention, self-attention, FFN, post-norm.
        (
            rf'{_DECODER}cross_attention_layers\.(\d)\.multihead_attn\.(.+)',
            rf'{_TO_DECODER}cross_attn.attn.\2',
        ),
        (rf'{_DECODER}cross_attention_layers\.(\d)\.norm\.(.+)', rf'{_TO_DECODER}norms.0.\2'),
        (
            rf'{_DECODER}self_attention_layers\.(\d)\.self_attn\.(.+)',
            rf'{_TO_DECODER}self_attn.attn.\2',
        ),
        (rf'{_DECODER}self_attention_layers\.(\d)\.norm\.(.+)', rf'{_TO_DECODER}norms.1.\2'),
        (rf'{_DECODER}ffn_layers\.(\d)\.linear1\.(.+)', rf'{_TO_DECODER}ffn.layers.0.0.\2'),
        (rf'{_DECODER}ffn_layers\.(\d)\.linear2\.(.+)', rf'{_TO_DECODER}ffn.layers.1.\2'),
        (rf'{_DECODER}ffn_layers\.(\d)\.norm\.(.+)', rf'{_TO_DECODER}norms.2.\2'),
        (
            r'classifier\.predictor\.decoder_norm\.(.+)',
            r'decode_head.transformer_decoder.post_norm.\1',
        ),
        (
            r'classifier\.predictor\.((?:query_feat|query_embed|level_embed)\.weight)',
            r'decode_head.\1',
        ),
        (r'classifier\.predictor\.mask_embed\.layers\.0\.(.+)', r'decode_head.mask_embed.0.\1'),
        (r'classifier\.predictor\.mask_embed\.layers\.1\.(.+)', r'decode_head.mask_embed.2.\1'),
        (r'classifier\.predictor\.mask_embed\.layers\.2\.(.+)', r'decode_head.mask_embed.4.\1'),
        # The sentence projection of the alignment loss, the one training-only layer; that head
        # stands anywhere in the list.
        (r'lang_proj\.(.+)', r'auxiliary_head.*.lang_proj.\1'),
    ],
    without_effect=[
        r'image_model\.norm\d\..+',
        r'image_model\.layers\.3\.res_gate\..+',
        r'language_model\.norms\..+',
        r'classifier\.predictor\.class_embed\..+',
    ],
)
