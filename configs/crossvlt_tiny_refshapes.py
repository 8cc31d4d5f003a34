# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CrossVLT, small enough to train on two CPU cores in minutes, on the generated RefShapes data.
# The same components as crossvlt_swinb_refcoco.py; every size below is our choice.
_base_ = [
    './_base_/models/crossvlt_swinb.py',
    './_base_/visual/resnet18_tiny.py',
    './_base_/datasets/refshapes.py',
    './_base_/schedules/schedule_refshapes.py',
    './_base_/default_runtime.py',
]

fusion = dict(type='CrossVLTFusion', head_channels=24, word_heads=4, word_ffn_channels=128)

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    backbone=dict(
        visual=_base_.resnet18_tiny,
        text=dict(
            groups=(1, 1, 1, 1),
            pretrained=None,
            pretrained_layers=None,
            frozen=(),  # from scratch: everything is trained
            config=dict(
                vocab_size=54,  # magnet_mm/datasets/vocabularies/refshapes
                hidden_size=64,
                num_hidden_layers=4,
                num_attention_heads=4,
                intermediate_size=128,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            ),
        ),
        fusion=[dict(fusion, width_factor=2), fusion, fusion, fusion],
    ),
    decode_head=dict(
        channels=64,
        norm_cfg=dict(_delete_=True, type='BN'),
        # Dice beside the cross-entropy: the objects are small (our choice, not the paper's).
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_weight=1.0),
            dict(type='MultiClassDiceLoss', loss_weight=1.0),
        ],
    ),
    auxiliary_head=[dict(type='StageAlignmentHead', channels=64)],
)
