# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# VLT, Darknet-53, G-Ref (umd); sentences of 20 words, else as vlt_darknet53_refcoco.py.
#   python tools/dataset_tools/build_vocabulary.py configs/vlt_darknet53_refcocog-umd.py
_base_ = [
    './_base_/models/vlt_darknet53.py',
    './_base_/datasets/refcocog-umd_letterboxed-words.py',
    './_base_/schedules/schedule_vlt.py',
    './_base_/default_runtime.py',
]

model = dict(
    backbone=dict(
        text=dict(
            word_vectors=dict(
                vocabulary='{{$VLT_VOCABULARY:data/vocabularies/vlt_refcocog-umd.txt}}'
            )
        )
    )
)
