# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
# RefShapes with sentences that mean several objects or none (docs/no_target.md): keys of its own,
# which a leaf over a config of RefShapes names, see magnet_tiny_grefshapes.py.
grefshapes = dict(
    type='GeneralizedReferringDataset',
    refs_file='refshapes/grefs(unc).json',
    dataset_name='grefshapes',
    pipeline=[
        dict(type='LoadReferringImage'),
        dict(type='LoadReferringMask'),
        dict(type='Resize', scale=(80, 80), keep_ratio=False, backend='pillow'),  # our choice
        # refshapes' words, plurals, "all", "every", "both" and "and"
        dict(type='TokenizeExpression', tokenizer='magnet_mm://grefshapes', max_tokens=20),
        dict(type='PackReferringInputs'),
    ],
)
# of a model without an answer, fewer than 50 of 80 x 80 pixels say "no target" (our choice)
grefshapes_evaluator = dict(type='GeneralizedReferringMetric', min_target_pixels=50)
grefshapes_splits = ['val', 'testA', 'testB', 'val_absent']
