# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT, Darknet-53, G-Ref (umd); sentences of 20 words, else as vlt_darknet53_refcoco.py.
#   python tools/dataset_tools/build_vocabulary.py configs/vlt_darknet53_refcocog-umd.py
_base_ = './vlt_darknet53_refcoco.py'

test_splits = ['val', 'test']
benchmark = dict(
    ann_file='refcocog/instances.json',
    refs_file='refcocog/refs(umd).p',
    dataset_name='refcocog-umd',
)

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
    # Split at blanks, nothing else [C]; the first 20 words of G-Ref [C]
    dict(
        type='TokenizeExpression',
        tokenizer=dict(
            type='WordTokenizer',
            vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcocog-umd.txt}}',
            rule='vlt',
            padding='end',
        ),
        max_tokens=20,
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **benchmark))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline, **benchmark))
test_dataloader = val_dataloader
model = dict(
    backbone=dict(
        text=dict(
            word_vectors=dict(
                vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcocog-umd.txt}}'
            )
        )
    )
)
