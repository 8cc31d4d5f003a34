# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# LTS-style: our reading, Darknet-53, RefCOCO+ (unc); else as lts_darknet53_refcoco.py.
#   export VLT_VOCABULARY=data/vocabularies/vlt_refcocoplus.txt
#   python tools/dataset_tools/build_vocabulary.py configs/lts_darknet53_refcocoplus.py
_base_ = './lts_darknet53_refcoco.py'

benchmark = dict(
    ann_file='refcoco+/instances.json',
    refs_file='refcoco+/refs(unc).p',
    dataset_name='refcocoplus',
)

train_dataloader = dict(dataset=benchmark)
val_dataloader = dict(dataset=benchmark)
test_dataloader = dict(dataset=benchmark)
