# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tables from results, and the page they are written into."""

from pathlib import Path

import pytest
from benchmarks.report import SECTIONS, fill_page

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


def test_shares_are_percent_of_the_time(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('<!-- bench:parts -->\n<!-- /bench -->\n')
    fill_page(page, {'x': FORWARD})
    assert '| `magnet`, float32, forward | 75 % | 25 % |' in page.read_text()


def test_the_pipeline_beside_the_trainer(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('<!-- bench:data -->\n<!-- /bench -->\n')
    transforms = dict(Resize=0.1, LoadReferringMask=0.01, TokenizeExpression=0.02)
    data = dict(mode='data', config='configs/magnet.py', workers=1, transforms=transforms)
    data.update(images_per_second=6, in_process=9)
    fill_page(page, {'x': data, 'y': dict(FORWARD, mode='train', images_per_second=2.0)})
    text = page.read_text()
    assert 'the pipeline feeds 3.0 times that' in text
    # 0.01 s and 0.02 s per image, of 0.5 s per image
    assert 'LoadReferringMask takes 2.0 % and TokenizeExpression takes 4.0 %.' in text


def test_memory_and_agreement(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text(
        '<!-- bench:memory -->\n<!-- /bench -->\n<!-- bench:agreement -->\n<!-- /bench -->\n'
    )
    memory = dict(mode='memory', config='configs/magnet.py', batch=2, checkpointing=True,
                  kept_bytes=7.5e8, loss_and_gradients_bytes=4.25e9, step_bytes=8e9)  # fmt: skip
    iou = dict(overall=0.9975, mean=0.99514, min=0.75)
    same = dict(items=3, pixels=4000, flipped=0, flipped_share=0.0)
    same['mask_iou'] = dict(overall=1, mean=1, min=1)
    other = dict(dtype='bfloat16', items=3, pixels=4000, flipped=2, flipped_share=5e-4)
    agreement = dict(mode='agreement', config='configs/magnet.py', batch=16, batched=same,
                     other=dict(other, mask_iou=iou))  # fmt: skip
    fill_page(page, {'x': memory, 'y': agreement})
    text = page.read_text()
    assert '| `magnet`, float32 | 2 | twice | 0.75 | 4.25 | 8.00 |' in text
    assert '| `magnet`, float32 | 16 | 3 | 0 of 4,000 | 0.0e+00 | 1.0000 | 1.0000 (1.00) |' in text
    assert '| `magnet`, bfloat16 | 16 | 3 | 2 of 4,000 | 5.0e-04 | 0.9975 | 0.9951 (0.75) |' in text


def test_pages_without_sections_are_errors(tmp_path):
    page = tmp_path / 'page.md'
    page.write_text('nothing')
    with pytest.raises(ConfigError, match='no section'):
        fill_page(page, {})
    page.write_text('<!-- bench:absent -->\n<!-- /bench -->\n')
    with pytest.raises(ConfigError, match=r"unknown sections \['absent'\]"):
        fill_page(page, {})


def test_the_shipped_page_has_every_section():
    text = (Path(__file__).resolve().parents[3] / 'docs/performance.md').read_text()
    for name in SECTIONS:
        assert text.count(f'<!-- bench:{name} -->') == 1, name
