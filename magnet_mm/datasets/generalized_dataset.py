# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The dataset of generalized referring expressions: gRefCOCO, Ref-ZOM, R-RefCOCO."""

from __future__ import annotations

from mmseg.registry import DATASETS

from magnet_mm.datasets.annotations.refer_annotations import load_records
from magnet_mm.datasets.referring_dataset import ReferringDataset


@DATASETS.register_module()
class GeneralizedReferringDataset(ReferringDataset):
    """Expressions that mean one object, several or none (gRefCOCO, Liu et al., CVPR 2023).

    Everything is as in :class:`ReferringDataset`, with a `refs_file` of gRefCOCO
    (`grefs(<split_by>).json` or `.p`), of Ref-ZOM (`source` is `zero` where nothing is meant), or
    of R-RefCOCO (sentences with `exist=False`). The mask is the union of the meant objects, empty
    where none is meant. Samples carry `no_target`, which `GeneralizedReferringMetric` reads. A
    sentence's kind is `no-target`, `single-target` or `multi-target`.
    """

    def read_records(self) -> list[dict]:
        """Read the refs of the split."""
        return load_records(self.ann_file, self.refs_file, self.split, generalized=True)
