# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO (unc) as VLT reads it: letterboxed to 416x416, words by a vocabulary.

See docs/methods/vlt.md.
Environment: VLT_VOCABULARY names the vocabulary (tools/dataset_tools/build_vocabulary.py).
"""

_base_ = './refcoco.py'

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
