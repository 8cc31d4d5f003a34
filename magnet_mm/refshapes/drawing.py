# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Draws a scene of RefShapes and the visible mask of each object.

Drawn at twice the size and averaged, over a cloudy or striped background; objects are flat,
striped, dotted or shaded, with a darker edge; noise over everything. All numbers are our choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from magnet_mm.refshapes.scene import Scene, SceneObject

SCALE = 2
RGB = {
    'red': (215, 30, 30),
    'green': (30, 165, 50),
    'blue': (40, 75, 225),
    'yellow': (245, 220, 40),
    'purple': (150, 45, 190),
    'white': (245, 245, 245),
}
COLOUR_JITTER = 10
NOISE = (3.0, 8.0)


def outline(thing: SceneObject) -> np.ndarray:
    """Return the object's outline, float64 [N, 2] (x, y) in image pixels."""
    extent = thing.extent
    if thing.shape == 'circle':
        points = _polar(40, [0.5])
    elif thing.shape == 'square':
        points = _polar(4, [0.64], start=math.pi / 4)
    elif thing.shape == 'triangle':
        points = _polar(3, [0.62], start=-math.pi / 2)
    else:
        a, b = 0.52, 0.19
        corners = [(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a)]
        points = np.array(corners + [(-x, -y) for x, y in corners])
    turn = np.array(
        [
            [math.cos(thing.angle), -math.sin(thing.angle)],
            [math.sin(thing.angle), math.cos(thing.angle)],
        ]
    )
    return extent * points @ turn.T + (thing.x, thing.y)


def draw(
    rng: np.random.Generator, scene: Scene, rgb: Mapping[str, tuple[int, int, int]] = RGB
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws the image and the objects' visible masks; ``rgb`` are the colours by their names.

    Returns:
        The image, uint8 [H, W, 3] RGB, and one mask per object, uint8 [2H, 2W] of 0/1 at twice the
        image's size (pixel centres at quarter pixels of the image).
    """
    background = _background(rng, scene.height, scene.width)
    canvas = background.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    owner = np.zeros(canvas.shape[:2], np.uint8)
    for number, thing in enumerate(scene.objects, start=1):
        points = _canvas_points(thing)
        cv2.fillPoly(owner, [points], number)
        _paint(rng, canvas, points, rgb[thing.colour])
    image = cv2.resize(canvas, (scene.width, scene.height), interpolation=cv2.INTER_AREA)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*NOISE))
    image = np.clip(np.round(image + noise), 0, 255).astype(np.uint8)
    return image, [(owner == n).astype(np.uint8) for n in range(1, len(scene.objects) + 1)]


def visible_shares(scene: Scene, masks: list[np.ndarray]) -> list[float]:
    """Return the share of each object that no other one covers."""
    shares = []
    for thing, mask in zip(scene.objects, masks, strict=True):
        alone = np.zeros_like(mask)
        cv2.fillPoly(alone, [_canvas_points(thing)], 1)
        shares.append(float(np.count_nonzero(mask)) / float(np.count_nonzero(alone)))
    return shares


def _canvas_points(thing: SceneObject) -> np.ndarray:
    return np.round(outline(thing) * SCALE - 0.5).astype(np.int32)


def _polar(number: int, radii: list[float], start: float = 0.0) -> np.ndarray:
    angles = start + 2 * math.pi * np.arange(number) / number
    radius = np.resize(radii, number)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1)


def _background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a muted background with clouds and sometimes faint stripes; float32 [H, W, 3]."""
    colour = rng.uniform(75, 125) + rng.uniform(-14, 14, 3)
    clouds = rng.uniform(-22, 22, (6, 6)).astype(np.float32)
    shade = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        shade += _stripes(rng, height, width, period=(7, 20)) * np.float32(rng.uniform(4, 12))
    return shade[..., None] + colour.astype(np.float32)


def _stripes(
    rng: np.random.Generator, height: int, width: int, period: tuple[float, float]
) -> np.ndarray:
    angle, wave = rng.uniform(0, math.pi), 2 * math.pi / rng.uniform(*period)
    x = np.arange(width, dtype=np.float32) * np.float32(wave * math.cos(angle))
    y = np.arange(height, dtype=np.float32) * np.float32(wave * math.sin(angle))
    return np.sin(x[None] + y[:, None])


def _paint(
    rng: np.random.Generator, canvas: np.ndarray, points: np.ndarray, rgb: tuple[int, int, int]
) -> None:
    x, y, width, height = cv2.boundingRect(points)
    mask = np.zeros((height, width), np.uint8)
    local = points - (x, y)
    cv2.fillPoly(mask, [local], 1)
    edge = np.zeros_like(mask)
    cv2.polylines(edge, [local], isClosed=True, color=1, thickness=3)
    colour = np.array(rgb) + rng.uniform(-COLOUR_JITTER, COLOUR_JITTER, 3)
    light = _texture(rng, height, width)
    light[edge == 1] *= 0.6
    inside = mask == 1
    patch = canvas[y : y + height, x : x + width]
    patch[inside] = light[inside][:, None] * colour.astype(np.float32)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Brightness of an object's pixels, about 0.75 to 1; float32 [H, W]."""
    style = rng.integers(4)
    if style == 0:
        return np.full((height, width), rng.uniform(0.88, 1.0), np.float32)
    if style == 1:
        return 0.87 + 0.12 * np.sign(_stripes(rng, height, width, period=(8, 16)))
    if style == 2:
        step, radius = int(rng.integers(10, 16)), int(rng.integers(2, 4))
        light = np.ones((height, width), np.float32)
        for x in range(step // 2, width, step):
            for y in range(step // 2, height, step):
                cv2.circle(light, (x, y), radius, 0.72, thickness=-1)
        return light
    corners = rng.uniform(0.72, 1.0, (2, 2)).astype(np.float32)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
