# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Samplers: indices that carry the visit (epoch), and test items grouped by image."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS


class VisitIndex(int):
    """An item index that knows the visit it belongs to; otherwise an ordinary int.

    Attributes:
        visit (int): How often the data was gone through before (the epoch).
        seed (int): The sampler's seed.
    """

    visit: int
    seed: int

    def __new__(cls, index: int, visit: int = 0, seed: int = 0) -> VisitIndex:
        """Make the index; `visit` and `seed` are non-negative."""
        self = super().__new__(cls, index)
        self.visit = int(visit)
        self.seed = int(seed)
        return self

    @classmethod
    def like(cls, other: int, index: int) -> VisitIndex:
        """Another index of the same visit; a plain int means visit 0 and seed 0."""
        return cls(index, getattr(other, 'visit', 0), getattr(other, 'seed', 0))

    def __reduce__(self) -> tuple:
        """Pickles with visit and seed (indices travel to the data-loading workers)."""
        return VisitIndex, (int(self), self.visit, self.seed)


@DATA_SAMPLERS.register_module()
class VisitSampler(DefaultSampler):
    """`DefaultSampler` whose indices are :class:`VisitIndex`; `set_epoch` sets the visit.

    mmengine seeds data-loading workers without the epoch; with this sampler what an item draws
    is a function of (seed, visit, item) alone, whatever the number of workers.

    Source: docs/train_and_evaluate.md, "The protocol": a sentence is drawn at every visit.
    """

    def __iter__(self) -> Iterator[VisitIndex]:
        """Yield this rank's indices, each with the current visit and the seed."""
        visit, seed = self.epoch, self.seed
        return (VisitIndex(index, visit, seed) for index in super().__iter__())


@DATA_SAMPLERS.register_module()
class ImageSampler(DefaultSampler):
    """Test items in the order of their images, so that a batch holds sentences of one image.

    Every rank gets one stretch of the order (rounded up with items from its start, as
    `DefaultSampler`), since neighbours share the work on their image. Scores do not depend on the
    order: the metric sorts the items.

    Args:
        dataset: a `ReferringDataset`, or another with `get_data_info(index)['img_path']`.
        seed: not used; the Runner gives it to every sampler.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle=False, seed=seed)

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's indices."""
        position: dict[str, int] = {}
        images = [
            position.setdefault(self.dataset.get_data_info(index)['img_path'], len(position))
            for index in range(len(self.dataset))
        ]
        order = sorted(range(len(images)), key=images.__getitem__)  # stable
        order = (order * -(-self.total_size // max(len(order), 1)))[: self.total_size]
        return iter(order[self.rank * self.num_samples : (self.rank + 1) * self.num_samples])
