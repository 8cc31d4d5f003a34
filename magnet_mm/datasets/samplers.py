# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Samplers: indices that carry the epoch, and items grouped by image."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from numbers import Integral
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmseg.registry import DATA_SAMPLERS
from torch import Tensor

from magnet_mm.errors import ConfigError


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
        return (EpochIndex(index, epoch, seed) for index in self._indices())

    def _indices(self) -> Iterator[int]:
        return super().__iter__()


def drawing_datasets(dataset: Any) -> Iterator[Any]:
    """Return the datasets inside a dataset (concatenated, repeated, sliced) that draw sentences."""
    if getattr(dataset, 'draws_sentences', False):
        yield dataset
    inner = list(getattr(dataset, 'datasets', None) or [])
    inner += [getattr(dataset, name) for name in ('dataset', '_dataset') if hasattr(dataset, name)]
    for part in inner:
        yield from drawing_datasets(part)


@DATA_SAMPLERS.register_module()
class ImageWiseSampler(EpochSampler):
    """`EpochSampler` that hands out the items of an image one after the other.

    A batch then holds a few images, each with all that is said of it (at its two ends an image may
    be cut), and the model encodes each image once (`ReferringSegmentor.loss`). The images, and
    the items of each, are shuffled in every epoch as a function of (seed, epoch). Every rank gets
    one stretch of the order.

    Args:
        dataset: a `ReferringDataset`, or a wrapper of some that finds `get_data_info(index)`
            (`ConcatDataset`, `RepeatDataset`). All annotations are looked through once.
        **kwargs: `shuffle`, `seed`, `round_up` of mmengine's `DefaultSampler`.

    Raises:
        ConfigError: when the dataset does not say on which image an item is.

    Source: our choice (docs/training.md, "Image-wise batches").
    """

    def __init__(self, dataset: Sized, **kwargs: Any) -> None:
        super().__init__(dataset, **kwargs)
        self._images = image_numbers(dataset)

    def _indices(self) -> Iterator[int]:
        order = torch.arange(len(self._images))
        places = order  # of the images
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(len(order), generator=generator)
            places = torch.randperm(len(order), generator=generator)
        order = order[places[self._images[order]].argsort(stable=True)]
        return _stretch(order, self)


@DATA_SAMPLERS.register_module()
class ImageSampler(DefaultSampler):
    """Test items in the order of their images, so that a batch holds sentences of one image.

    Every rank gets one stretch of the order (rounded up with items from its start, as
    `DefaultSampler`), since neighbours share the work on their image. Scores do not depend on the
    order: the metric sorts the items.

    Args:
        dataset: as of `ImageWiseSampler`.
        seed: not used; the Runner gives it to every sampler.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        super().__init__(dataset, shuffle=False, seed=seed)

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's indices."""
        return _stretch(image_numbers(self.dataset).argsort(stable=True), self)


def image_numbers(dataset: Sized) -> Tensor:
    """Return the number of every item's image file, int64 ``[len(dataset)]``.

    Raises:
        ConfigError: when the dataset does not say on which image an item is.
    """
    numbers: dict[str, int] = {}
    try:
        paths = (dataset.get_data_info(index)['img_path'] for index in range(len(dataset)))
        return torch.tensor([numbers.setdefault(path, len(numbers)) for path in paths]).long()
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{type(dataset).__name__} does not say on which image an item is (its '
            'get_data_info(index) must have img_path), so that items cannot be grouped by image. '
            'Use `indices` of the dataset instead of a Subset, or '
            "sampler=dict(type='EpochSampler')."
        ) from error


def _stretch(order: Tensor, sampler: DefaultSampler) -> Iterator[int]:
    """Return one rank's part of an order, filled up with items from its start to the total size."""
    repeats = -(-sampler.total_size // max(len(order), 1))
    filled = order.repeat(repeats)[: sampler.total_size]
    return iter(filled.tensor_split(sampler.world_size)[sampler.rank].tolist())
