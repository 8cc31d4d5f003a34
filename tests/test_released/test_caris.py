# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Every key of the published CARIS has its place, or is known to have none."""

from pathlib import Path

import pytest

from magnet_mm.released import CARIS, build_model, convert_state_dict, count_elements, recognise

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / CARIS.config


@pytest.mark.slow
def test_the_published_layout_converts_completely(files):
    published = files.published_state_dict('caris_base', files.one_element)
    assert recognise({'model': published}, 'file').layout == 'caris'
    assert len(published) == 926
    target = build_model(CONFIG).state_dict()
    converted = convert_state_dict(published, CARIS, target)
    assert {key: value.shape for key, value in converted.items()} == {
        key: value.shape for key, value in target.items()
    }
    assert count_elements(converted) == count_elements(published) - 2 == 226_572_664


def test_the_class_weights_alone_have_no_place(files):
    keys = files.key_list('caris_tiny')
    assert len(keys) == 758
    ours = {key: CARIS.translate(key) for key in keys}
    assert [key for key, place in ours.items() if place is None] == [
        'criterion.seg_criterion.weight'
    ]
    assert len(set(ours.values())) == 758


def test_the_order_of_the_norms():
    """Pixels read the words before they attend to themselves: v_norm2 comes before v_norm1."""
    prefix = 'pixel_decoder.encoder.4.'
    ours = 'decode_head.pixel_decoder.'
    assert CARIS.translate(f'{prefix}v_norm2.weight') == f'{ours}reading.4.pixel_norm.weight'
    assert CARIS.translate(f'{prefix}v_norm1.weight') == f'{ours}encoder.layers.4.norms.0.weight'
    assert CARIS.translate(f'{prefix}v_norm3.bias') == f'{ours}encoder.layers.4.norms.1.bias'
