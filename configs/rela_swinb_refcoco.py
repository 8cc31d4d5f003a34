# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# ReLA, Swin-B + BERT-base, on RefCOCO (unc), with the recipe of the released gRefCOCO config.
#   tools/dist_train.sh configs/rela_swinb_refcoco.py 8
_base_ = [
    './_base_/models/rela_swinb.py',
    './_base_/datasets/refcoco.py',
    './_base_/schedules/schedule_rela.py',
    './_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=6,  # per GPU: 48 over 8 GPUs [C]
    dataset=dict(per_sentence=True),  # an item is a sentence, not a reference [C]
)
