# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Overlays, captions and contact sheets, pixel by pixel where it matters."""

from __future__ import annotations

import numpy as np
import pytest

from magnet_mm.errors import DataError
from magnet_mm.visualization import contact_sheet, draw_panels, overlay_mask, printable
from magnet_mm.visualization.panels import (
    GAP,
    GROUND_TRUTH_COLOR,
    PREDICTION_COLOR,
    _font,
    _resize_mask,
    _wrap,
    text_bar,
)

RED = (255, 0, 0)


def gray(height, width, value=100):
    return np.full((height, width, 3), value, dtype=np.uint8)


def count_color(image, color):
    return int((image == np.array(color)).all(axis=2).sum())


def test_overlay_blends_inside_and_leaves_outside():
    image = gray(4, 5)
    mask = np.zeros((4, 5), dtype=np.uint8)
    mask[1:3, 2:4] = 1
    drawn = overlay_mask(image, mask, RED, alpha=0.2, contour=False)
    assert drawn[1, 2].tolist() == [131, 80, 80]  # 0.8 * 100 + 0.2 * (255, 0, 0)
    assert count_color(drawn, (131, 80, 80)) == 4
    assert count_color(drawn, (100, 100, 100)) == 16
    assert (image == 100).all()
    assert (overlay_mask(image, mask > 0, RED, alpha=0.2, contour=False) == drawn).all()


def test_overlay_contour_has_the_color_and_a_white_rim_outside():
    mask = np.zeros((60, 60), dtype=bool)
    mask[20:40, 10:50] = True
    drawn = overlay_mask(gray(60, 60), mask, RED, alpha=0.2)
    assert drawn[30, 30].tolist() == [131, 80, 80]
    assert drawn[20, 30].tolist() == [255, 0, 0]
    white = (drawn == 255).all(axis=2)
    assert white[17:20, 30].any()
    assert not (white & mask).any()
    assert drawn[5, 5].tolist() == [100, 100, 100]


@pytest.mark.parametrize('contour', [True, False])
def test_overlay_of_an_empty_mask_changes_nothing(contour):
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    assert (overlay_mask(image, np.zeros((4, 4)), RED, contour=contour) == image).all()


@pytest.mark.parametrize(
    ('image', 'mask', 'message'),
    [
        (gray(4, 5), np.zeros((5, 4)), r'\(5, 4\).*\(4, 5\)'),
        (gray(4, 5).astype(float), np.zeros((4, 5)), 'uint8.*float64'),
        (gray(4, 5)[..., 0], np.zeros((4, 5)), 'uint8'),
    ],
)
def test_overlay_errors(image, mask, message):
    with pytest.raises(DataError, match=message):
        overlay_mask(image, mask, RED)


def test_printable():
    assert printable('  the\tman\r\n in  red ') == 'the man in red'
    assert printable('café «日本»') == 'café «日本»'
    # Escape, bell, right-to-left override, lone surrogate.
    assert printable('a\x1b[31m\x07b\u202ec\ud800') == 'a\ufffd[31m\ufffdb\ufffdc\ufffd'
    assert printable(' \n') == ''


def test_wrapped_lines_fit_and_lose_nothing():
    font = _font(20)
    text = 'the man who stands next to the ' + 'x' * 300 + ' on the left'
    lines = _wrap(text, font, 200)
    assert len(lines) > 10
    assert max(font.getlength(line) for line in lines) <= 200
    assert ''.join(lines).replace(' ', '') == text.replace(' ', '')
    assert _wrap('red ball', font, 200) == ['red ball']
    assert _wrap('red ball', font, 60) == ['red', 'ball']


def test_text_bar_grows_with_its_lines():
    one = text_bar('red', 80, 20)
    three = text_bar('red green blue', 80, 20)
    assert one.shape == (27 + GAP, 80, 3)
    assert three.shape == (3 * 27 + GAP, 80, 3)
    for line in range(3):  # every line holds ink
        assert three[GAP // 2 + 27 * line :][:27].min() < 50


def test_small_images_are_enlarged_and_masks_follow():
    mask = np.zeros((480, 480), dtype=np.uint8)
    mask[:240] = 1  # the upper half, at the network's input size
    drawn = draw_panels(gray(128, 128), None, mask, mask[::-1], titles=False, alpha=1.0)
    assert drawn.shape == (320, 3 * 320 + 2 * GAP, 3)
    truth, prediction = drawn[:, 320 + GAP : 640 + GAP], drawn[:, 640 + 2 * GAP :]
    assert (drawn[:, :320] == 100).all()
    assert (truth[:155] == GROUND_TRUTH_COLOR).all()
    assert (prediction[165:] == PREDICTION_COLOR).all()
    # What is not in the mask is darkened: 0.4 * 100 + 0.4 * 100.
    assert (truth[170:] == 80).all()
    assert (prediction[:150] == 80).all()


@pytest.mark.parametrize(
    ('shape', 'panel'),
    [((64, 128), (160, 320)), ((427, 640), (427, 640)), ((400, 1280), (200, 640))],
)
def test_panel_sizes(shape, panel):
    assert draw_panels(gray(*shape), titles=False).shape == (*panel, 3)


def test_masks_are_resized_by_nearest_neighbour():
    resized = _resize_mask(np.array([[0, 1], [1, 0]]), 6, 10)
    assert resized.tolist() == [[0] * 5 + [1] * 5] * 3 + [[1] * 5 + [0] * 5] * 3


def test_caption_and_titles():
    mask = np.ones((2, 2))
    bare = draw_panels(gray(320, 320), None, mask, mask)
    short = draw_panels(gray(320, 320), 'red ball', mask, mask)
    long = draw_panels(gray(320, 320), 'red ball ' * 40, mask, mask)
    title, line = 20 + GAP, 27
    assert bare.shape[0] == 320 + title
    assert short.shape[0] == bare.shape[0] + line + GAP
    assert (long.shape[0] - short.shape[0]) % line == 0
    assert long.shape[0] > short.shape[0]
    assert short[: line + GAP].min() < 50
    assert (short[line + GAP :] == bare).all()


def test_caption_tells_blank_from_missing_and_iou_is_written():
    image, mask = gray(320, 320), np.ones((2, 2))
    assert draw_panels(image, '').shape == draw_panels(image, 'x').shape
    assert (draw_panels(image, '') == draw_panels(image, ' \n')).all()
    assert (draw_panels(image, '') != draw_panels(image, 'x')).any()
    assert draw_panels(image, None).shape[0] < draw_panels(image, '').shape[0]
    with_iou = draw_panels(image, prediction=mask, iou=0.5)
    assert (with_iou[:28] != draw_panels(image, prediction=mask)[:28]).any()
    assert (with_iou[:28] != draw_panels(image, prediction=mask, iou=0.6)[:28]).any()


def test_contact_sheet():
    pictures = [gray(10, 30, 0), gray(20, 40, 1), gray(15, 20, 2)]
    sheet = contact_sheet(pictures, columns=2)
    assert sheet.shape == (20 + 15 + 6 * GAP, 2 * 40 + 9 * GAP, 3)
    assert [count_color(sheet, [value] * 3) for value in range(3)] == [300, 800, 300]
    assert contact_sheet(pictures[:1], columns=4).shape == (10 + 3 * GAP, 30 + 6 * GAP, 3)
    with pytest.raises(DataError, match='no pictures'):
        contact_sheet([])
