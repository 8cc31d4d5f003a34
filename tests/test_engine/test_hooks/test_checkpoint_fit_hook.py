# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A checkpoint that does not fit stops a test and a resume, with the keys in the message."""

import pytest
import torch

from magnet_mm.engine.hooks.checkpoint_fit_hook import compare_state_dicts
from magnet_mm.errors import CheckpointError


def save(runner, path, drop=(), **changes):
    state = {k: v for k, v in runner.model.state_dict().items() if not k.startswith(tuple(drop))}
    torch.save(dict(state_dict={**state, **changes}, meta=dict(epoch=1, iter=3)), path)
    return str(path)


def test_differences_are_listed():
    expected = dict(a=torch.zeros(2, 3), b=torch.zeros(1), head=torch.zeros(1))
    loaded = dict(a=torch.zeros(3, 2), c=torch.zeros(1))
    assert compare_state_dicts(expected, loaded, ('head',)) == [
        '1 keys missing: b',
        '1 keys unexpected: c',
        '1 keys of the wrong shape: a (checkpoint (3, 2), model (2, 3))',
    ]
    assert compare_state_dicts(expected, expected) == []


def test_training_only_part_may_be_absent_in_a_test(make_runner, tmp_path):
    runner = make_runner('run')
    path = save(runner, tmp_path / 'released.pth', drop=['auxiliary_head.'])
    assert make_runner('test', load_from=path).test() == dict(oIoU=10.0)
    with pytest.raises(CheckpointError, match='2 keys missing: auxiliary_head.weight'):
        make_runner('resume', load_from=path, resume=True).train()


def test_test_of_a_checkpoint_that_does_not_fit(make_runner, tmp_path):
    runner = make_runner('run')
    path = save(
        runner,
        tmp_path / 'other.pth',
        drop=['linear.bias'],
        extra=torch.zeros(1),
        **{'linear.weight': torch.zeros(1, 5)},
    )
    with pytest.raises(CheckpointError) as error:
        make_runner('test', load_from=path).test()
    for part in (
        'missing: linear.bias',
        'unexpected: extra',
        'linear.weight (checkpoint (1, 5), model (1, 4))',
    ):
        assert part in str(error.value)


def test_training_may_start_from_a_part_of_the_weights(make_runner, tmp_path):
    runner = make_runner('run', epochs=1)
    extra = {'module.extra': torch.ones(1)}
    path = save(runner, tmp_path / 'part.pth', drop=['linear.bias'], **extra)
    with pytest.raises(CheckpointError, match='1 keys missing: linear.bias'):
        make_runner('asked', epochs=1, load_from=path).train()
    partial = {'default_hooks.checkpoint_fit.allow_partial': True}
    trained = make_runner('train', epochs=1, load_from=path, **partial)
    trained.train()
    assert trained.iter == 3
    # training-only parts may be new
    path = save(runner, tmp_path / 'released.pth', drop=['auxiliary_head.'])
    make_runner('heads', epochs=1, load_from=path).train()
    torch.save(dict(state_dict=dict(other=torch.ones(1))), tmp_path / 'none.pth')
    for name, options in (('nothing', {}), ('nothing_partial', partial)):
        with pytest.raises(CheckpointError, match='nothing would be loaded'):
            make_runner(name, epochs=1, load_from=str(tmp_path / 'none.pth'), **options).train()
