# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm demo``: what the page is given; tests/test_demo serves it."""

import base64
import sys

import pytest

from magnet_mm.cli import main

pytest.importorskip('gradio')

from magnet_mm.demo import page  # noqa: E402


@pytest.fixture
def served(monkeypatch):
    """Collects the arguments of the page and of its server, in place of both."""
    given = {}
    monkeypatch.setattr(sys, 'argv', ['magnet-mm'])
    monkeypatch.setattr(page, 'build_page', lambda *arguments: given.update(page=arguments))
    monkeypatch.setattr(page, 'launch_page', lambda *args, **options: given.update(options))
    return given


def test_the_model_in_the_box_needs_no_arguments(served, model_in_box):
    assert main(['demo', '--port', '7999']) == 0
    answer, title, examples, max_bytes, max_queue, *_ = served['page']
    assert (title, served['server_name'], served['server_port']) == (
        'magnet_tiny_refshapes', '127.0.0.1', 7999,
    )  # fmt: skip
    assert (max_bytes, max_queue) == (10 * 2**20, 256)
    assert len(examples) == 4  # scenes of RefShapes, which it was trained on
    picture = 'data:image/png;base64,' + base64.b64encode(
        (model_in_box / 'sample.png').read_bytes()
    ).decode('ascii')
    masks, heats = answer(picture, 'the red circle')
    assert 'the red circle' in masks and 'alt="heat map"' in heats


def test_the_title_names_what_was_given(served, random_weights):
    arguments = ['--config', 'magnet_tiny_refshapes', '--weights', str(random_weights)]
    assert main(['demo', *arguments]) == 0
    assert served['page'][1] == 'magnet_tiny_refshapes, random.pth'
