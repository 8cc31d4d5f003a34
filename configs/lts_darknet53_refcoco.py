# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LTS-style: our reading, Darknet-53, RefCOCO (unc): 8 GPUs x 16, 50 epochs of 42,404 references,
# 416 px letterboxed.
#   python tools/dataset_tools/build_vocabulary.py configs/lts_darknet53_refcoco.py
#   tools/dist_train.sh configs/lts_darknet53_refcoco.py 8
# The published rule of scoring: --cfg-options test_evaluator.rule=vlt (docs/methods/vlt.md).
_base_ = [
    './_base_/models/lts_darknet53.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_vlt.py',
    './_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # Aspect kept, centred, whole pixels by floor, bicubic, on grey of 0.5; soft masks [C]
    dict(
        type='Letterbox',
        size=(416, 416),
        fill=127.5,
        interpolation='bicubic',
        rounding='floor',
        soft_mask=True,
    ),
    # Split at blanks, nothing else [C]; the first 15 words [C]
    dict(
        type='TokenizeExpression',
        tokenizer=dict(
            type='WordTokenizer',
            vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcoco.txt}}',
            rule='vlt',
            padding='end',
        ),
        max_tokens=15,
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))  # 128 over 8 GPUs [C]
val_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = val_dataloader
