# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# CRIS, CLIP RN50, RefCOCO (unc): 8 GPUs x 8, 50 epochs, 416 px letterboxed [C].
#   CLIP_PATH=rn50.pth tools/dist_train.sh configs/cris_r50_refcoco.py 8
_base_ = [
    './_base_/models/cris_r50.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_cris.py',
    './_base_/default_runtime.py',
]

pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # Aspect kept, centred, bicubic; the rest is CLIP's mean, so 0 for the network [C]
    dict(
        type='Letterbox',
        size=(416, 416),
        fill=(104.0937, 116.7460, 122.7709),
        interpolation='bicubic',
    ),
    # CLIP's byte pairs, padded with 0 [C]; CLIP_TOKENIZER names a local copy
    dict(
        type='TokenizeExpression',
        tokenizer=dict(
            type='HuggingFaceTokenizer',
            name='{{$CLIP_TOKENIZER:openai/clip-vit-base-patch32}}',
            pad_token_id=0,
        ),
        max_tokens=17,  # [C]
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(batch_size=8, dataset=dict(pipeline=pipeline))  # 64 over 8 GPUs [C]
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
