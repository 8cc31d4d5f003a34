# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# ReLA, Swin-B + BERT-base, gRefCOCO (several targets, or none): the released config [C].
#   tools/dist_train.sh configs/rela_swinb_grefcoco.py 8
_base_ = [
    './_base_/models/rela_swinb.py',
    './_base_/datasets/grefcoco.py',
    './_base_/schedules/schedule_rela.py',
    './_base_/default_runtime.py',
]

train_dataloader = dict(
    batch_size=6,  # per GPU: 48 over 8 GPUs [C]
    dataset=dict(per_sentence=True),  # an item is a sentence [C]
)
# 150,000 x 48 sentences are about 34 epochs of the official split; its releases differ in size, and
# magnet-mm check-data counts yours.
train_cfg = dict(max_epochs=34)
param_scheduler = [dict(type='MultiStepLR', milestones=[25, 32], gamma=0.1, by_epoch=True)]

# The model answers "no target" itself, so no rule by pixels [C].
default_hooks = dict(checkpoint=dict(save_best='gIoU'))
