# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The released networks' stored outputs, repeated by our models with the converted weights.

``tools/analysis_tools/check_parity.py`` calls the same function; the files are those of the small
variants, see tests/data/reference.
"""

from pathlib import Path

import pytest
import torch
from parity import check
from parity.check import known_systems
from parity.golden import Golden, read_keys
from parity.systems import magnet

REFERENCE = Path(__file__).resolve().parents[1] / 'data' / 'reference'
#: The small variant of each system: file of outputs, and of a training step.
FILES = {
    'cmpc': ('cmpc_small_golden', None),
    'lscm': ('lscm_small_golden', None),
    'caris': ('caris_tiny_golden', 'caris_tiny_training'),
    'crossvlt': ('crossvlt_tiny_golden', 'crossvlt_tiny_training'),
    'efn': ('efn_r50_golden', 'efn_r50_training'),
    'lavt': ('lavt_one_tiny_golden_v2', 'lavt_one_tiny_training'),
    'magnet': ('magnet_tiny_golden_v2', None),
    'cris': ('cris_r50_golden', 'cris_r50_training'),
    'vlt': ('vlt_golden', None),
    'rela': ('rela_tiny_golden', 'rela_tiny_training'),
}


def test_every_system_is_compared():
    assert known_systems() == sorted(FILES)


@pytest.mark.parametrize('system', sorted(FILES))
def test_stored_outputs(system):
    golden, training = FILES[system]
    variant = golden.split('_golden')[0]
    fill_keys = REFERENCE / f'{variant}_fill_keys.json.gz'
    rows = check(
        system,
        REFERENCE / f'{golden}.npz',
        REFERENCE / f'{variant}_keys.json.gz',
        fill_keys if fill_keys.is_file() else None,
        None if training is None else REFERENCE / f'{training}.npz',
    )
    assert len(rows) > 10
    assert [row for row in rows if not row.passed] == []


def test_a_wrong_weight_is_seen():
    """The comparison can fail: one changed gate moves stored tensors past their tolerance."""
    keys = read_keys(REFERENCE / 'magnet_tiny_keys.json.gz')
    model = magnet.build(keys, None, 'magnet_tiny')
    case = Golden(REFERENCE / 'magnet_tiny_golden_v2.npz').cases()['caseB']
    with torch.no_grad():
        model.backbone.fusion[1].gate.out.weight.mul_(0.5)
        ours = magnet.outputs(model, case)['pred_masks']
    assert case.difference('pred_masks', ours.numpy()) > 100 * magnet.TOLERANCE['logits']


def test_magnet_masks_need_the_additive_mask():
    """The corrected network is another function: the released behaviour is a choice."""
    keys = read_keys(REFERENCE / 'magnet_tiny_keys.json.gz')
    model = magnet.build(keys, None, 'magnet_tiny')
    for fusion in model.backbone.fusion:
        fusion.text_pwam.text_mask = 'binary'
    case = Golden(REFERENCE / 'magnet_tiny_golden_v2.npz').cases()['caseA']
    with torch.no_grad():
        ours = magnet.outputs(model, case)['pred_masks'].numpy() > 0
    released = case['pred_masks'] > 0
    iou = (ours & released).sum() / (ours | released).sum()
    assert 0.4 < iou < 0.9
