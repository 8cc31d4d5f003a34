# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The benchmark's command line on the small model: one JSON line whose numbers agree."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import accelerator
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from magnet_mm.refshapes import write_refshapes

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/magnet_tiny_refshapes.py')

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def data_root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('refshapes') / 'data'
    write_refshapes(folder, 0, dict(train=8, val=4, testA=1, testB=1))
    return folder


@pytest.fixture
def run(data_root, monkeypatch, capsys):
    monkeypatch.setenv('REFSHAPES_ROOT', str(data_root))
    path = ROOT / 'tools/analysis_tools/benchmark.py'
    spec = importlib.util.spec_from_file_location('benchmark_tool', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments):
        capsys.readouterr()
        module.main([CONFIG, *arguments])
        return json.loads(capsys.readouterr().out.strip().splitlines()[-1])

    return call


def assert_consistent(result):
    seconds = result['seconds']
    assert 0 < seconds['min'] <= seconds['median'] <= seconds['max']
    assert result['images_per_second'] == pytest.approx(result['batch'] / seconds['median'])
    speed = result['operations'] / seconds['median']
    assert result['mfu'] == pytest.approx(speed / result['peak'])
    assert 0 < result['mfu'] < 1.2
    assert result['memory_bytes'] > 1e8
    assert sum(result['parts'].values()) == pytest.approx(1, abs=0.02)


def test_sentences_of_one_image(run):
    result = run('--mode', 'sentences', '--batch', '3', '--repeats', '2')
    assert result['sentences'] == 3
    for part in ('encoders', 'head', 'both'):
        one, many = result[part]['one'], result[part]['many']
        assert result[part]['ratio'] == pytest.approx(many['min'] / one['min'])


def test_forward_in_two_types(run):
    result = run('--mode', 'forward', '--repeats', '2', '--vs-dtype', 'bfloat16')
    assert_consistent(result)
    assert_consistent(result['versus'])
    assert (result['dtype'], result['versus']['dtype']) == ('float32', 'bfloat16')
    assert result['operations'] == result['versus']['operations']
    medians = [r['seconds']['median'] for r in (result, result['versus'])]
    assert result['ratio'] == pytest.approx(medians[0] / medians[1])
    assert {'visual', 'text', 'fusion', 'pixel decoder', 'decode head'} <= result['parts'].keys()


def test_training_step(run):
    forward = run('--mode', 'forward', '--repeats', '1', '--batch', '2')
    result = run('--mode', 'train', '--repeats', '1', '--batch', '2')
    assert_consistent(result)
    # backward needs about twice the operations of forward, and there are auxiliary heads
    assert 2.5 < result['operations'] / forward['operations'] < 6
    assert result['parts']['auxiliary heads'] > 0


def test_freed_memory_kept_or_returned(run):
    result = run('--mode', 'train', '--repeats', '1', '--batch', '2', '--vs-returned-memory')
    assert 'returned_memory' not in result
    assert result['versus']['returned_memory']
    medians = [r['seconds']['median'] for r in (result, result['versus'])]
    assert result['ratio'] == pytest.approx(medians[0] / medians[1])


def test_evaluation_and_data(run):
    result = run('--mode', 'eval', '--batch', '4', '--items', '8')
    fastest = {way: times['min'] for way, times in result['seconds'].items()}
    assert result['speed_up'] == pytest.approx(fastest['one_by_one'] / fastest['shared'])
    product = result['from_batching'] * result['from_sharing']
    assert result['speed_up'] == pytest.approx(product)
    result = run('--mode', 'data', '--batch', '4', '--items', '8')
    assert set(result['transforms']) == {
        'LoadReferringImage', 'LoadReferringMask', 'Resize', 'TokenizeExpression',
        'PackReferringInputs',
    }  # fmt: skip
    assert result['in_process'] > 0


def test_memory_of_a_training_step(run):
    plain = run('--mode', 'memory')
    saving = run('--mode', 'memory', '--checkpointing')
    assert (plain['checkpointing'], saving['checkpointing']) == (False, True)
    assert 0 < saving['kept_bytes'] < plain['kept_bytes'] / 2
    assert plain['gradient_bytes'] == saving['gradient_bytes'] > 1e6
    for result in (plain, saving):
        assert result['step_bytes'] > result['gradient_bytes']


def test_masks_in_batches_and_in_bfloat16(run, tmp_path):
    checkpoint = tmp_path / 'weights.pth'
    cfg = Config.fromfile(CONFIG)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), checkpoint)
    result = run('--mode', 'agreement', '--checkpoint', str(checkpoint), '--batch', '3',
                 '--items', '6', '--vs-dtype', 'bfloat16')  # fmt: skip
    batched, other = result['batched'], result['other']
    assert batched['items'] == other['items'] == 6
    assert batched['pixels'] == 6 * 80 * 80
    assert batched['flipped_share'] < 1e-5
    assert other['dtype'] == 'bfloat16'
    # some are flipped, so the masks have edges: equal ones are not equal because they are empty
    assert 0 < other['flipped'] < 0.1 * other['pixels']
    assert batched['flipped'] <= other['flipped']


def test_one_system_on_a_device(run, monkeypatch):
    """Here the device is the CPU, on which a training step of more than one image does not fit."""
    measure = accelerator.measure_train

    def with_little_memory(workload):
        if workload.batch > 1:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return measure(replace(workload, compiled=False))

    monkeypatch.setattr(accelerator, 'measure_train', with_little_memory)
    monkeypatch.setattr(accelerator, '_FORWARD_BATCHES', (1, 2))
    result = run('--mode', 'accelerator', '--batch', '2', '--repeats', '1', '--device', 'cpu')
    rows = {(row['kind'], row['variant'], row['batch']) for row in result['rows']}
    names = {'plain', 'compiled', 'channels-last', 'fused AdamW'}
    expected = {('train', name, 1) for name in names}
    assert {('forward', 'plain', 1), ('forward', 'plain', 2)} | expected <= rows
    assert result['difference'] == 0.0


def test_what_a_device_promises(run):
    result = run('--mode', 'checks', '--device', 'cpu')
    assert result['repeated'] == result['resumed'] == 0.0
    assert result['backend'] == 'gloo' and result['all_reduce'] and result['gather_object']


def test_wrong_command_lines(run, capsys):
    for arguments, message in (
        (['--compile', '--mode', 'eval'], '--compile belongs to --mode forward and train'),
        (['--vs-dtype', 'bfloat16', '--mode', 'eval'], '--vs-dtype belongs to --mode forward'),
        (['--checkpointing'], '--checkpointing belongs to --mode train and memory'),
        (['--vs', CONFIG, '--vs-compile'], 'exclude each other'),
        (['--vs', 'absent.py'], 'no file absent.py'),
        (['--mode', 'agreement'], 'needs --checkpoint'),
        (['--batch', '0'], 'should be positive'),
    ):
        with pytest.raises(SystemExit):
            run(*arguments)
        assert message in capsys.readouterr().err
