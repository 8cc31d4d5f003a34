# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Scenes of RefShapes: which objects an image holds and where they lie.

A scene is described in pixels of the final image: ``x`` grows to the right, ``y`` downwards.
All numbers are our choice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHAPES = ('circle', 'square', 'triangle', 'cross')
COLOURS = ('red', 'green', 'blue', 'yellow', 'purple', 'white')
SIZES = ('large', 'small')

#: Pairs (colour, shape) that no noun phrase names outside testB; no shape or colour is
#: part of two of them, so every single word is learned in training.
HELD_OUT = frozenset(
    {
        ('green', 'circle'),
        ('yellow', 'square'),
        ('blue', 'triangle'),
        ('purple', 'cross'),
    }
)

#: Extent (about the diameter) of an object, as a share of the image's short side.
EXTENTS = {'large': (0.41, 0.49), 'small': (0.26, 0.32)}
IMAGE_SIDES = (128, 176)
#: Centres of two objects lie at least this share of their mean extent apart (1 = circles touch).
CLOSEST = 0.78


class SceneObject(NamedTuple):
    """One object: its words, centre and extent in pixels, and rotation in radians."""

    size: str
    colour: str
    shape: str
    x: float
    y: float
    extent: float
    angle: float


class Scene(NamedTuple):
    """An image's width and height in pixels and its objects, the hindmost first."""

    width: int
    height: int
    objects: tuple[SceneObject, ...]

    @property
    def short_side(self) -> int:
        """The shorter of width and height, the unit of all distances."""
        return min(self.width, self.height)


def sample_scene(rng: np.random.Generator, count: int, held_out: bool = False) -> Scene:
    """Draws a scene.

    The objects take their words from two or three colours and two or three shapes, so that they
    share words with one another.

    Args:
        rng: Source of randomness.
        count: Number of objects, 3 to 7.
        held_out: Draw most objects from one or two of the pairs in :data:`HELD_OUT` (for testB).
    """
    pairs = _held_out_pairs(rng, count) if held_out else _shared_pairs(rng, count)
    low, high = IMAGE_SIDES
    while True:
        width, height = (int(side) for side in rng.integers(low, high + 1, 2))
        objects = _place(rng, width, height, pairs)
        if objects is not None:
            return Scene(width, height, objects)


def _shared_pairs(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    colours = rng.permutation(len(COLOURS))[: rng.integers(2, 4)]
    shapes = rng.permutation(len(SHAPES))[: rng.integers(2, 4)]
    return [
        (COLOURS[colours[rng.integers(len(colours))]], SHAPES[shapes[rng.integers(len(shapes))]])
        for _ in range(count)
    ]


def _held_out_pairs(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    known = sorted(HELD_OUT)
    chosen = [known[i] for i in rng.permutation(len(known))[: rng.integers(1, 3)]]
    pairs = []
    for _ in range(count):
        colour, shape = chosen[rng.integers(len(chosen))]
        draw = rng.random()
        if draw < 0.2:
            shape = SHAPES[rng.integers(len(SHAPES))]
        elif draw < 0.4:
            colour = COLOURS[rng.integers(len(COLOURS))]
        pairs.append((colour, shape))
    return pairs


def _place(
    rng: np.random.Generator, width: int, height: int, pairs: list[tuple[str, str]]
) -> tuple[SceneObject, ...] | None:
    """Give each pair a size and a centre, or None when there was no room."""
    short_side = min(width, height)
    placed: list[SceneObject] = []
    for colour, shape in pairs:
        size = SIZES[rng.integers(len(SIZES))]
        extent = short_side * rng.uniform(*EXTENTS[size])
        angle = rng.uniform(-0.3, 0.3)
        border = 0.62 * extent
        for _ in range(30):
            x = rng.uniform(border, width - border)
            y = rng.uniform(border, height - border)
            if all(
                np.hypot(x - other.x, y - other.y) >= CLOSEST * (extent + other.extent) / 2
                for other in placed
            ):
                placed.append(SceneObject(size, colour, shape, x, y, extent, angle))
                break
        else:
            return None
    return tuple(placed)
