# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LSCM (ECCV 2020), DeepLab ResNet-101, RefCOCO (unc): one GPU, batch 1, 320x320 [C].
# Once before, the vocabulary, from the training sentences (docs/methods/lscm.md):
#   python tools/dataset_tools/build_vocabulary.py configs/lscm_r101_refcoco.py
# spaCy parses the sentences while the data is read; parsed once, they need it no more:
#   python tools/dataset_tools/parse_expressions.py configs/lscm_r101_refcoco.py trees.jsonl
#   export LSCM_TREES=trees.jsonl
_base_ = [
    './_base_/models/lscm_r101.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_cmpc.py',
    './_base_/default_runtime.py',
]

vocabulary = 'data/vocabularies/lscm_refcoco.txt'
trees = r"""{{$LSCM_TREES:spacy}}"""  # or a file of tools/dataset_tools/parse_expressions.py
train_pipeline = [
    dict(type='LoadReferringImage'),
    dict(type='LoadReferringMask'),
    # the whole image in the middle of black; what the resized mask touches is foreground [C]
    dict(type='Letterbox', size=(320, 320), soft_mask=True),
    # 30 of spaCy's tokens, padded in front, with their tree [C]
    dict(
        type='TokenizeExpression',
        tokenizer=dict(type='TreeTokenizer', vocabulary=vocabulary, trees=trees, padding='front'),
        max_tokens=30,
    ),
    dict(type='PackReferringInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(batch_size=1, dataset=dict(pipeline=train_pipeline))  # [C]
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

model = dict(backbone=dict(text=dict(vocabulary=vocabulary)))
