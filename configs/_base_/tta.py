# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Test-time augmentation of ``tools/test.py --tta``: several sizes of the image, no flips.

The pipeline follows from the config's own test pipeline and ``tta_scales``; a config may set a
``tta_pipeline`` of its own instead. The published protocol tests without augmentation.
"""

tta_model = dict(type='ReferringTTAModel')
tta_scales = (1, 0.8, 1.2)  # our choice: 480, 384 and 576 pixels for an input of 480
