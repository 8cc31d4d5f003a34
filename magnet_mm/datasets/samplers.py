# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Samplers: indices that carry the epoch, and test items grouped by image."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from numbers import Integral
from typing import Any

from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS


class EpochIndex(int):
    """An item index that knows its epoch; otherwise an ordinary int.

    Wrappers find the item of a wrapped dataset by ``%``, ``-``, ``+`` or ``//`` on the index
    (``RepeatDataset``, ``ConcatDataset``); the result is an ``EpochIndex`` again, which still knows
    where the sampler pointed. So two copies of an item within one epoch can draw apart.

    Attributes:
        epoch (int): How often the data was gone through before.
        seed (int): The sampler's seed.
        position (int): The index in the outermost dataset, as the sampler gave it.
    """

    epoch: int
    seed: int
    position: int

    def __new__(
        cls, index: int, epoch: int = 0, seed: int = 0, position: int | None = None
    ) -> EpochIndex:
        """Make the index; all are non-negative, `position` defaults to `index`."""
        self = super().__new__(cls, index)
        self.epoch = int(epoch)
        self.seed = int(seed)
        self.position = int(self) if position is None else int(position)
        return self

    @classmethod
    def like(cls, other: int, index: int) -> EpochIndex:
        """Another index of the same draw; a plain int means epoch 0 and seed 0."""
        return other._at(index) if isinstance(other, EpochIndex) else cls(index)

    def _at(self, value: Any) -> Any:
        if not isinstance(value, Integral):
            return value
        return EpochIndex(value, self.epoch, self.seed, self.position)

    def __mod__(self, other: Any) -> Any:
        return self._at(int(self) % other)

    def __floordiv__(self, other: Any) -> Any:
        return self._at(int(self) // other)

    def __sub__(self, other: Any) -> Any:
        return self._at(int(self) - other)

    def __add__(self, other: Any) -> Any:
        return self._at(int(self) + other)

    __radd__ = __add__

    def __reduce__(self) -> tuple:
        """Pickle with everything (indices travel to the data-loading workers)."""
        return EpochIndex, (int(self), self.epoch, self.seed, self.position)


@DATA_SAMPLERS.register_module()
class EpochSampler(DefaultSampler):
    """`DefaultSampler` whose indices are :class:`EpochIndex`; `set_epoch` sets the epoch.

    mmengine seeds data-loading workers without the epoch; with this sampler what an item draws
    is a function of (seed, epoch, item, copy) alone, whatever the number of workers.

    The datasets below that draw sentences are told to expect such indices: where a wrapper hands
    them a plain int (``Subset``, ``ClassBalancedDataset`` look the index up in a list), every epoch
    would draw the same sentence, and the first item raises a ``ConfigError`` instead.

    Source: a sentence is drawn in every epoch in the released LAVT (docs/methods/lavt.md).
    """

    def __init__(self, dataset: Sized, **kwargs: Any) -> None:
        super().__init__(dataset, **kwargs)
        for part in drawing_datasets(dataset):
            part.expects_epochs = True

    def __iter__(self) -> Iterator[EpochIndex]:
        """Yield this rank's indices, each with the current epoch and the seed."""
        epoch, seed = self.epoch, self.seed
        return (EpochIndex(index, epoch, seed) for index in super().__iter__())


def drawing_datasets(dataset: Any) -> Iterator[Any]:
    """Return the datasets inside a dataset (concatenated, repeated, sliced) that draw sentences."""
    if getattr(dataset, 'draws_sentences', False):
        yield dataset
    inner = list(getattr(dataset, 'datasets', None) or [])
    inner += [getattr(dataset, name) for name in ('dataset', '_dataset') if hasattr(dataset, name)]
    for part in inner:
        yield from drawing_datasets(part)


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
