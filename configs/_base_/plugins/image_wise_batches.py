# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# Training batches that hold a few images with all that is said of each, for any data set
# (docs/training.md, "Image-wise batches"; our choice, no paper's). In a leaf:
#   _base_ = ['./magnet_swinb_refcoco.py', './_base_/plugins/image_wise_batches.py']
#   train_dataloader = dict(sampler=_base_.image_wise_batches)
image_wise_batches = dict(type='ImageWiseSampler', shuffle=True)
