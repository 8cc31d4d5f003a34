# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""RefCOCO, RefCOCO+ and G-Ref trained on together, in the layout of the `refer` API.

The images of every val and test split of the four benchmarks (G-Ref google included) are removed
from training, so one model can be scored on all of them. G-Ref is trained on through its umd
refs; the google refs are the same expressions under another split, so listing both would only
count them twice. Without the google file, delete its line from `exclude`.
Scores are on RefCOCO; for another benchmark take over the `test_dataloader` of its own file.
"""

_base_ = './refcoco.py'

mixed_prefix = dict(img_path='images/mscoco/images/train2014')

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MixedReferringDataset',
        datasets=[
            dict(
                type='ReferringDataset',
                data_root=_base_.data_root,
                ann_file='refcoco/instances.json',
                refs_file='refcoco/refs(unc).p',
                dataset_name='refcoco',
                data_prefix=mixed_prefix,
                split='train',
                pipeline=_base_.train_pipeline,
            ),
            dict(
                type='ReferringDataset',
                data_root=_base_.data_root,
                ann_file='refcoco+/instances.json',
                refs_file='refcoco+/refs(unc).p',
                dataset_name='refcocoplus',
                data_prefix=mixed_prefix,
                split='train',
                pipeline=_base_.train_pipeline,
            ),
            dict(
                type='ReferringDataset',
                data_root=_base_.data_root,
                ann_file='refcocog/instances.json',
                refs_file='refcocog/refs(umd).p',
                dataset_name='refcocog-umd',
                data_prefix=mixed_prefix,
                split='train',
                pipeline=_base_.train_pipeline,
            ),
        ],
        # our choice: held-out images of benchmarks that are scored but not trained on
        exclude=[dict(data_root=_base_.data_root, refs_file='refcocog/refs(google).p')],
    )
)
