# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Key map of released ReLA checkpoints with a Swin backbone (docs/methods/rela.md)."""

from magnet_mm.released.deformable_rules import pixel_decoder_rules
from magnet_mm.released.key_map import PWAM_PARTS, KeyMap, bert_rules, swin_rules

_LAYER = r'backbone\.layers\.(\d+)\.'
_FUSION = r'backbone.fusion.\1.'
_PREDICTOR = r'sem_seg_head\.predictor\.'
_TO_LAYER = r'decode_head.layers.\1.'
_FFN = rf'{_PREDICTOR}transformer_ffn_layers\.(\d)\.'

RELA = KeyMap(
    name='released ReLA',
    config='rela_swinb_grefcoco.py',
    layouts=('rela',),
    rules=[
        *((rf'{_LAYER}fusion\.{old}\.(.+)', rf'{_FUSION}pwam.{new}.\2') for old, new in PWAM_PARTS),
        (rf'{_LAYER}res_gate\.0\.weight', rf'{_FUSION}gate.hidden.weight'),
        (rf'{_LAYER}res_gate\.2\.weight', rf'{_FUSION}gate.out.weight'),
        (r'backbone\.norm(\d)\.(.+)', r'backbone.fusion.\1.norm.\2'),
        *swin_rules('backbone'),
        *bert_rules('text_encoder'),
        *pixel_decoder_rules(r'sem_seg_head\.pixel_decoder'),
        # The decoder's layers: image, regions, FFN; words in the first one.
        (
            rf'{_PREDICTOR}RIA_layers\.(\d)\.multihead_attn\.(.+)',
            rf'{_TO_LAYER}cross_attn.attn.\2',
        ),
        (rf'{_PREDICTOR}RIA_layers\.(\d)\.norm\.(.+)', rf'{_TO_LAYER}norms.0.\2'),
        (rf'{_PREDICTOR}RLA_vision\.(\d)\.self_attn\.(.+)', rf'{_TO_LAYER}self_attn.attn.\2'),
        (rf'{_PREDICTOR}RLA_vision\.(\d)\.norm\.(.+)', rf'{_TO_LAYER}norms.1.\2'),
        (rf'{_FFN}linear1\.(.+)', rf'{_TO_LAYER}ffn.layers.0.0.\2'),
        (rf'{_FFN}linear2\.(.+)', rf'{_TO_LAYER}ffn.layers.1.\2'),
        (rf'{_FFN}norm\.(.+)', rf'{_TO_LAYER}norms.2.\2'),
        (rf'{_PREDICTOR}lang_proj\.(.+)', r'decode_head.language.project.\1'),
        (rf'{_PREDICTOR}RLA_lang_att\.multihead_attn\.(.+)', r'decode_head.language.attention.\1'),
        (rf'{_PREDICTOR}RLA_lang_att\.norm\.(.+)', r'decode_head.language.norm.\1'),
        (rf'{_PREDICTOR}lang_weight', r'decode_head.language.weight'),
        # The small heads and the queries.
        (rf'{_PREDICTOR}decoder_norm\.(.+)', r'decode_head.predictions.norm.\1'),
        *(
            (
                rf'{_PREDICTOR}{old}\.layers\.{number}\.(.+)',
                rf'decode_head.predictions.{new}.{2 * number}.\1',
            )
            for old, new in (('mask_embed', 'mask_embed'), ('nt_embed', 'no_target_embed'))
            for number in range(3)
        ),
        (rf'{_PREDICTOR}minimap_embed\.(.+)', r'decode_head.predictions.minimap_embed.\1'),
        (
            rf'{_PREDICTOR}((?:query_feat|query_embed|level_embed)\.weight)',
            r'decode_head.\1',
        ),
    ],
    without_effect=[
        r'backbone\.layers\.3\.res_gate\..+',  # the last stage feeds no other
        r'text_encoder\.embeddings\.position_ids',  # 0, 1, 2 ...; a buffer of old transformers
    ],
)
