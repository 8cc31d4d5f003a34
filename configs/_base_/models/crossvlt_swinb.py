# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CrossVLT (TMM 2023), model only. Sources: [C] released code (docs/methods/crossvlt.md), else our
# choice.
# Its words come from google/bert_uncased_L-12_H-768_A-12, not from bert-base-uncased [C]; both have
# the same vocabulary. export CROSSVLT_BERT_PATH=/path/to/a/local/copy
_base_ = '../encoders/swinb_bertbase.py'

model = dict(
    backbone=dict(
        text=dict(
            # Stage 1 runs six layers, each later one a single layer behind its attention over the
            # pixels [C].
            groups=(6, 1, 1, 1),
            pretrained='{{$CROSSVLT_BERT_PATH:google/bert_uncased_L-12_H-768_A-12}}',
            pretrained_layers=6,  # stages 2 to 4 start from scratch [C]
            frozen=('embeddings',),  # the released optimiser does not hold them [C]
            config=dict(num_hidden_layers=9),
        ),
        fusion=[
            dict(type='CrossVLTFusion', width_factor=2),  # the first attention is 2C wide [C]
            dict(type='CrossVLTFusion'),
            dict(type='CrossVLTFusion'),
            dict(type='CrossVLTFusion'),
        ],
    ),
    decode_head=dict(
        type='LAVTHead',  # width: half the channels of the last stage, 512 [C]
        norm_cfg=dict(type='SyncBN', requires_grad=True),  # [C]
        loss_decode=dict(
            type='SynchronizedCrossEntropyLoss',  # the mean runs over all GPUs: our choice
            class_weight=[0.9, 1.1],  # background, referred object; weighted mean [C]
            avg_non_ignore=True,  # torch's mean, as [C]; no label is ignored
            loss_weight=2.0,  # [C]
        ),
    ),
    auxiliary_head=[dict(type='StageAlignmentHead', channels=256, temperature=1.0)],  # [C]
)
