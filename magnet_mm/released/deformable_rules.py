# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Rules for Mask2Former's deformable pixel decoder, which released MagNet and ReLA carry."""


def pixel_decoder_rules(prefix: str) -> list[tuple[str, str]]:
    """Rules for the pixel decoder under the given prefix (a pattern)."""
    layer = rf'{prefix}\.transformer\.encoder\.layers\.(\d+)\.'
    ours = r'decode_head.pixel_decoder.'
    to_layer = rf'{ours}encoder.layers.\1.'
    return [
        (rf'{prefix}\.input_proj\.(\d)\.0\.(.+)', rf'{ours}input_convs.\1.conv.\2'),
        (rf'{prefix}\.input_proj\.(\d)\.1\.(.+)', rf'{ours}input_convs.\1.gn.\2'),
        (rf'{prefix}\.transformer\.level_embed', rf'{ours}level_encoding.weight'),
        (rf'{layer}(self_attn\..+)', rf'{to_layer}\2'),
        (rf'{layer}norm1\.(.+)', rf'{to_layer}norms.0.\2'),
        (rf'{layer}linear1\.(.+)', rf'{to_layer}ffn.layers.0.0.\2'),
        (rf'{layer}linear2\.(.+)', rf'{to_layer}ffn.layers.1.\2'),
        (rf'{layer}norm2\.(.+)', rf'{to_layer}norms.1.\2'),
        (rf'{prefix}\.mask_features\.(.+)', rf'{ours}mask_feature.\1'),
        # The FPN behind the encoder (ReLA).
        (rf'{prefix}\.adapter_1\.norm\.(.+)', rf'{ours}lateral_convs.0.gn.\1'),
        (rf'{prefix}\.adapter_1\.weight', rf'{ours}lateral_convs.0.conv.weight'),
        (rf'{prefix}\.layer_1\.norm\.(.+)', rf'{ours}output_convs.0.gn.\1'),
        (rf'{prefix}\.layer_1\.weight', rf'{ours}output_convs.0.conv.weight'),
    ]
