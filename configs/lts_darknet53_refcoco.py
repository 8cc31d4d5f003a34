# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LTS-style: our reading, Darknet-53, RefCOCO (unc): 8 GPUs x 16, 50 epochs of 42,404 references,
# 416 px letterboxed.
#   python tools/dataset_tools/build_vocabulary.py configs/lts_darknet53_refcoco.py
#   tools/dist_train.sh configs/lts_darknet53_refcoco.py 8
# The published rule of scoring: --cfg-options test_evaluator.rule=vlt (docs/methods/vlt.md).
_base_ = [
    './_base_/models/lts_darknet53.py',
    './_base_/datasets/refcoco_letterboxed-words.py',
    './_base_/schedules/schedule_vlt.py',
    './_base_/default_runtime.py',
]
