# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checkpoints written by the Runner load with weights_only=True and resume completely."""

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from magnet_mm.engine import SafeCheckpointHook
from magnet_mm.errors import CheckpointError


def load(path):
    return torch.load(path, weights_only=True)


def test_written_file_loads_with_weights_only(make_runner):
    runner = make_runner('run', epochs=2)
    runner.train()
    checkpoint = load(f'{runner.work_dir}/epoch_2.pth')
    histories = checkpoint['message_hub']['log_scalars']
    assert histories['train/loss']['log_history'].tolist() == runner.model.losses
    assert histories['train/loss']['count_history'].tolist() == [1] * 6
    runtime_info = checkpoint['message_hub']['runtime_info']
    assert runtime_info['best_score'] == 20.0
    assert type(runtime_info['best_score']) is float
    assert checkpoint['meta']['dataset_meta']['classes'] == ('background', 'referred object')
    best = load(f'{runner.work_dir}/best_oIoU_epoch_2.pth')
    assert torch.equal(best['state_dict']['linear.weight'], runner.model.linear.weight)


def test_averaged_weights_of_another_hook_are_saved_too(make_runner):
    runner = make_runner('ema', epochs=1, custom_hooks=[dict(type='EMAHook')])
    runner.train()
    assert 'module.linear.weight' in load(f'{runner.work_dir}/epoch_1.pth')['ema_state_dict']


def test_function_in_scheduler_state_is_left_out(make_runner):
    scheduler = dict(type='OneCycleLR', eta_max=0.1, total_steps=12, by_epoch=False)
    runner = make_runner('one_cycle', epochs=1, param_scheduler=[scheduler])
    runner.train()
    (state,) = load(f'{runner.work_dir}/epoch_1.pth')['param_schedulers']
    assert 'anneal_func' not in state
    assert state['last_step'] == runner.param_schedulers[0].last_step > 0


def test_resume_restores_what_the_runner_had(make_runner):
    first = make_runner('first', epochs=1)
    first.train()
    history = list(first.message_hub.get_scalar('train/loss').data[0])
    rates = first.optim_wrapper.get_lr()['lr']
    moment = first.optim_wrapper.optimizer.state[first.model.linear.weight]['exp_avg'].clone()

    second = make_runner('second', epochs=2, resume=True, load_from=f'{first.work_dir}/epoch_1.pth')
    second._train_loop = second.build_train_loop(second._train_loop)
    second.optim_wrapper = second.build_optim_wrapper(second.optim_wrapper)
    second.param_schedulers = second.build_param_scheduler(second.param_schedulers)
    second.load_or_resume()

    restored = second.message_hub.get_scalar('train/loss')
    assert isinstance(restored, HistoryBuffer)
    assert list(restored.data[0]) == history
    assert restored.mean() == pytest.approx(np.mean(history))
    assert second.message_hub.get_info('best_score') == 10.0
    assert (second.epoch, second.iter) == (1, 3)
    assert second.optim_wrapper.get_lr()['lr'] == rates
    state = second.optim_wrapper.optimizer.state[second.model.linear.weight]
    assert torch.equal(state['exp_avg'], moment)
    assert second.param_schedulers[0].last_step == first.param_schedulers[0].last_step


def test_code_in_the_meta_config_is_dropped():
    checkpoint = dict(meta=dict(config='import os', epoch=1), state_dict={})
    SafeCheckpointHook().after_load_checkpoint(None, checkpoint)
    assert checkpoint['meta'] == dict(epoch=1)


def test_object_without_plain_counterpart_is_named():
    with pytest.raises(CheckpointError, match=r"\['extra'\]\['odd'\] is a builtins.object"):
        SafeCheckpointHook().before_save_checkpoint(None, dict(extra=dict(odd=object())))


def test_averaged_weights_are_resumed(make_runner):
    """Averaged and trained weights after a resume are those of the uninterrupted run."""
    hooks = dict(ema=dict(type='EMAHook', momentum=0.1))
    straight = make_runner('straight', epochs=2, default_hooks=hooks)
    straight.train()
    make_runner('resumed', epochs=1, default_hooks=hooks).train()
    resumed = make_runner(
        'resumed', epochs=2, default_hooks=hooks, experiment_name='again', resume=True
    )
    resumed.train()
    expected, found = (load(f'{run.work_dir}/epoch_2.pth') for run in (straight, resumed))
    assert expected['ema_state_dict']['steps'] == 6
    for part in ('state_dict', 'ema_state_dict'):
        assert list(found[part]) == list(expected[part])
        for key, value in expected[part].items():
            assert torch.equal(found[part][key], value), (part, key)
    averaged = expected['state_dict']['linear.weight']
    trained = expected['ema_state_dict']['module.linear.weight']
    assert not torch.equal(averaged, trained)
    assert torch.equal(resumed.model.linear.weight, trained)
