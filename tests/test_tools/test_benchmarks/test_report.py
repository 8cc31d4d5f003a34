# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tables from results, and the page they are written into."""

import pytest
from benchmarks.report import fill_page

from magnet_mm.errors import ConfigError

FORWARD = dict(
    mode='forward',
    machine=dict(device='abacus', threads=2),
    config='configs/magnet.py',
    dtype='float32',
    batch=2,
    compiled=False,
    seconds=dict(median=2.0, min=1.5, max=3.0),
    images_per_second=1.0,
    operations=3e11,
    peak=2e11,
    mfu=0.75,
    memory_bytes=1.5e9,
    gradient_bytes=8e9,
    parts=dict(visual=0.75, other=0.25),
)


def test_a_section_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('before\n<!-- bench:forward -->\nold\n<!-- /bench -->\nbetween\n'
                    '<!-- bench:eval -->\nnot yet\n<!-- /bench -->\nafter\n')  # fmt: skip
    versus = dict(FORWARD, dtype='bfloat16', seconds=dict(median=1.0, min=1.0, max=1.0))
    assert fill_page(page, {'x': dict(FORWARD, ratio=2.0, versus=versus)}) == ['forward']
    text = page.read_text()
    assert text.startswith('before\n<!-- bench:forward -->\n| model |')
    assert 'old' not in text
    assert (
        '| `magnet`, float32 | 2 | 2.00 (1.50-3.00) | 1.00 | 300 | 200 | 0.75 | 1.50 | 1 |' in text
    )
    assert '| `magnet`, bfloat16 | 2 | 1.00 (1.00-1.00) |' in text
    assert text.endswith('between\n<!-- bench:eval -->\nnot yet\n<!-- /bench -->\nafter\n')
    again = page.read_text()
    fill_page(page, {'x': dict(FORWARD, ratio=2.0, versus=versus)})
    assert page.read_text() == again


def test_pages_without_sections_are_errors(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('nothing')
    with pytest.raises(ConfigError, match='no section'):
        fill_page(page, {})
    page.write_text('<!-- bench:absent -->\n<!-- /bench -->\n')
    with pytest.raises(ConfigError, match=r"unknown sections \['absent'\]"):
        fill_page(page, {})
