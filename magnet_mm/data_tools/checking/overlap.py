# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Images that one dataset trains on and another is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.published import SHARES_IMAGES, USUAL
from magnet_mm.data_tools.checking.refs import RefsFile

TRAIN = 'train'


class Overlap(NamedTuple):
    """``shared`` images of a held-out split (of ``images``) are in a training split."""

    train: str
    held_out: str
    split: str
    shared: int
    images: int


def find_overlaps(files: Sequence[RefsFile], findings: Findings) -> list[Overlap]:
    """Compare every training split with every held-out split, by image id.

    Args:
        files (Sequence[RefsFile]): Refs files on the same images (COCO ids).
        findings (Findings): Takes errors (within one refs file) and a note (between files).

    Returns:
        list[Overlap]: The pairs that share images.
    """
    overlaps = []
    for training in files:
        if TRAIN not in training.splits:
            continue
        train_ids = training.splits[TRAIN].image_ids
        for tested in files:
            for name, split in tested.splits.items():
                shared = len(train_ids & split.image_ids) if name != TRAIN else 0
                if not shared:
                    continue
                overlaps.append(
                    Overlap(training.name, tested.name, name, shared, len(split.image_ids))
                )
                if training is tested:
                    _within(training, name, shared, findings)
    if any(overlap.train != overlap.held_out for overlap in overlaps):
        findings.note(
            'train/test overlap',
            'training on one dataset and testing on another would test on training images.',
            'Train on several with configs/_base_/datasets/mixed.py, or set `exclude` of the '
            'training dataset; both remove these images.',
        )
    return overlaps


def _within(refs: RefsFile, split: str, shared: int, findings: Findings) -> None:
    """Report images that one refs file uses in training and in another split."""
    problem = f'{shared:,} images are in train and in {split}.'
    if (refs.dataset, refs.split_by) in SHARES_IMAGES:
        advice = 'Published so: this division parts the objects, not the images.'
        findings.note(refs.where, problem, advice)
    elif refs.dataset in (*USUAL, 'refshapes'):
        findings.error(refs.where, problem, 'The file was changed; download it again.')
    else:
        advice = 'Scores on them are not scores on unseen images; perhaps it was published so.'
        findings.warning(refs.where, problem, advice)
