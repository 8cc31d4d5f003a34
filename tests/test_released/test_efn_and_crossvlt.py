# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The published layouts of EFN and CrossVLT, full size, through their converters."""

import pytest
import torch

from magnet_mm.errors import CheckpointError
from magnet_mm.released import CROSSVLT, EFN, build_model, convert_state_dict, recognise

SIZES = {  # parameters without running statistics, docs/methods
    'efn_wide101': (EFN, 'efn', 232.78e6),
    'crossvlt_base': (CROSSVLT, 'crossvlt', 236.7e6),
}


@pytest.mark.parametrize('variant', SIZES)
def test_every_key_is_accounted_for(variant, files):
    key_map, layout, parameters = SIZES[variant]
    state = files.published_state_dict(variant, files.one_element)
    state.pop('temp', None)  # the published file does not have it
    published = recognise(state, 'file.pth')  # a bare state dict
    assert published.layout == layout
    assert recognise(dict(model=state, epoch=1), 'file.pth').layout == layout
    own = build_model(files.configs['lavt_one'].with_name(key_map.config))
    target = own.state_dict()
    converted = convert_state_dict(published.state_dict, key_map, target)
    missing = {
        key for key in set(target) - set(converted) if not key.endswith('num_batches_tracked')
    }
    temperature = {'auxiliary_head.0.temperature'} if variant == 'crossvlt_base' else set()
    assert missing == temperature
    counted = sum(
        value.numel()
        for key, value in state.items()
        if value.is_floating_point() and not key.endswith(('running_mean', 'running_var'))
    )
    assert counted == pytest.approx(parameters, rel=1e-3)

    lacking = dict(published.state_dict)
    gone = next(key for key in lacking if key.endswith('conv1.weight') or '.attn1.' in key)
    del lacking[gone]
    with pytest.raises(CheckpointError, match='1 keys missing'):
        convert_state_dict(lacking, key_map, target)
    with pytest.raises(CheckpointError, match='unexpected'):
        convert_state_dict(dict(lacking, **{gone + 'x': torch.zeros(1)}), key_map, target)
