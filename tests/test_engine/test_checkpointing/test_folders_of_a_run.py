# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A run writes and removes in its own folder alone, and alone writes there."""

import dataclasses
import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import METRICS

from magnet_mm import atomic_files
from magnet_mm.atomic_files import remove_abandoned, replacing, unfinished_files
from magnet_mm.deployment import FORMATS, export_checkpoint
from magnet_mm.engine.checkpointing.atomic_files import AtomicLocalBackend
from magnet_mm.engine.checkpointing.folder_lock import lock_folder, unlock_folder
from magnet_mm.engine.checkpointing.resume_point import find_resume_point
from magnet_mm.errors import CheckpointError, ConfigError
from magnet_mm.interruption import EndsWithParent

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def train(make_runner, monkeypatch):
    """Return a function (name, epochs, **changes) that trains and gives the runner."""
    monkeypatch.setattr('mmengine.config.Config.pretty_text', '')
    monkeypatch.setattr('mmengine.runner.runner.collect_env', dict)
    monkeypatch.setattr('mmengine.runner.runner.get_git_hash', str)

    def training(name, epochs, **changes):
        runner = make_runner(name, epochs=epochs, **changes)
        runner.train()
        return runner

    return training


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob('*.pth')}


def load(path):
    return torch.load(path, weights_only=True)


def test_truth_20_a_run_that_goes_on_elsewhere_leaves_the_old_folder(train, tmp_path):
    train('first', 2)
    before = files(tmp_path / 'first')
    assert set(before) == {'epoch_1.pth', 'epoch_2.pth', 'best_oIoU_epoch_2.pth'}
    # CountingMetric rises: every validation has a new best, which supersedes the one before
    runner = train('second', 4, resume=True, load_from=str(tmp_path / 'first/epoch_2.pth'))
    assert files(tmp_path / 'first') == before
    assert set(files(tmp_path / 'second')) == {
        'epoch_3.pth',
        'epoch_4.pth',
        'best_oIoU_epoch_4.pth',
    }
    best = runner.message_hub.get_info('best_ckpt')
    assert best == str(tmp_path / 'second/best_oIoU_epoch_4.pth')


def test_truth_20_an_unrelated_file_of_the_same_name_stays(train, tmp_path):
    train('first', 2)
    stranger = tmp_path / 'second/epoch_1.pth'
    stranger.parent.mkdir()
    stranger.write_bytes(b'of another run')
    train('second', 3, resume=True, load_from=str(tmp_path / 'first/epoch_2.pth'))
    assert stranger.read_bytes() == b'of another run'


@pytest.mark.parametrize('original_is_there', [True, False])
def test_truth_20_a_copied_work_dir_goes_on_with_its_own_files(train, tmp_path, original_is_there):
    in_a_process(lambda: train('first', 2) and None)
    METRICS.get('CountingMetric').calls = 2  # as in the process
    shutil.copytree(tmp_path / 'first', tmp_path / 'copy')
    if not original_is_there:
        shutil.rmtree(tmp_path / 'first')
    before = files(tmp_path / 'first')
    runner = train('copy', 4, resume=True)
    assert runner._load_from == str(tmp_path / 'copy/epoch_2.pth')
    assert files(tmp_path / 'first') == before
    assert set(files(tmp_path / 'copy')) == {'epoch_3.pth', 'epoch_4.pth', 'best_oIoU_epoch_4.pth'}
    info = load(tmp_path / 'copy/epoch_4.pth')['message_hub']['runtime_info']
    assert info['best_ckpt'] == str(tmp_path / 'copy/best_oIoU_epoch_4.pth')
    assert info['last_ckpt'] == str(tmp_path / 'copy/epoch_4.pth')


def test_truth_20_a_damaged_copy_falls_back_on_its_own_older_file(train, tmp_path):
    train('first', 2)
    shutil.copytree(tmp_path / 'first', tmp_path / 'copy')
    (tmp_path / 'copy/epoch_2.pth').write_bytes(b'')
    found = find_resume_point(tmp_path / 'copy')
    assert found.path == str(tmp_path / 'copy/epoch_1.pth')
    assert list(found.refused) == [str(tmp_path / 'copy/epoch_2.pth')]


def test_truth_20_best_checkpoints_of_several_metrics(train, tmp_path):
    several = {'default_hooks.checkpoint.save_best': ['oIoU'], **{}}
    train('first', 1, **several)
    before = files(tmp_path / 'first')
    train('second', 2, resume=True, load_from=str(tmp_path / 'first/epoch_1.pth'), **several)
    assert files(tmp_path / 'first') == before


def test_truth_20_a_separate_folder_of_checkpoints_is_gone_on_from(train, tmp_path):
    out = {'default_hooks.checkpoint.out_dir': str(tmp_path / 'out')}
    train('run', 1, **out)
    (tmp_path / 'run/epoch_1.pth').write_bytes(b'of an older run in the same work dir')
    runner = train('run', 2, resume=True, **out)
    assert runner._load_from == str(tmp_path / 'out/run/epoch_1.pth')
    assert set(files(tmp_path / 'out/run')) == {
        'epoch_1.pth',
        'epoch_2.pth',
        'best_oIoU_epoch_2.pth',
    }


def in_a_process(function, *args):
    """Run in a forked process; its exit code and what it sent."""
    context = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(False)
    process = context.Process(target=lambda: sender.send(function(*args)))
    process.start()
    process.join(60)
    return receiver.recv() if receiver.poll() else None


def refusal(folder):
    try:
        lock_folder(folder)
    except ConfigError as error:
        return str(error)
    return ''


def test_truth_21_two_runs_in_one_work_dir(tmp_path):
    lock_folder(tmp_path)
    lock_folder(tmp_path)  # the same process goes on in its folder
    message = in_a_process(refusal, tmp_path)
    assert f'process {os.getpid()} on ' in message and 'another --work-dir' in message
    assert in_a_process(refusal, tmp_path / 'another') == ''
    unlock_folder(tmp_path)
    assert in_a_process(refusal, tmp_path) == ''


def test_truth_21_a_killed_run_leaves_no_lock(tmp_path):
    def hold():
        lock_folder(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)

    in_a_process(hold)
    assert refusal(tmp_path) == ''
    unlock_folder(tmp_path)


def test_truth_21_the_runner_takes_the_lock_and_gives_it_back(train, make_runner, tmp_path):
    lock_folder(tmp_path / 'run')

    def second():
        try:
            train('run', 1)
        except ConfigError as error:
            return str(error)

    assert 'still running' in in_a_process(second)
    assert files(tmp_path / 'run') == {}
    train('run', 1)
    assert in_a_process(refusal, tmp_path / 'run') == ''


def test_truth_21_unfinished_files_have_names_of_their_own(tmp_path):
    with replacing(tmp_path / 'a.pth') as one, replacing(tmp_path / 'a.pth') as other:
        assert one != other and one.parent == other.parent == tmp_path
        one.write_text('one')
        other.write_text('other')
        assert remove_abandoned(tmp_path) == []  # both are being written
    assert (tmp_path / 'a.pth').read_text() == 'one'  # the outer block ended last
    assert list(unfinished_files(tmp_path)) == []


def test_truth_21_what_a_killed_process_left_is_removed(tmp_path):
    def half():
        with replacing(tmp_path / 'a', folder=True) as folder:
            (folder / 'part').write_text('half')
            os.kill(os.getpid(), signal.SIGKILL)

    in_a_process(half)
    (left,) = unfinished_files(tmp_path)
    assert (left / 'part').exists()
    with replacing(tmp_path / 'b'):
        assert left.exists()  # not a file of this name
    with replacing(tmp_path / 'a'):
        assert not left.exists()


@pytest.mark.parametrize(
    ('number', 'words'),
    [
        (errno.ENOSPC, 'Make room'),
        (errno.EDQUOT, 'Make room'),
        (errno.EACCES, 'Make the folder writable'),
        (errno.EROFS, 'Make the folder writable'),
        (errno.ENOENT, 'who removed or moved the folder'),
        (errno.EIO, 'disk or the network drive is sound'),
    ],
)
def test_truth_21_advice_fits_the_error(tmp_path, monkeypatch, number, words):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic_files, 'write_atomically', fail)
    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(CheckpointError, match=words) as caught:
        AtomicLocalBackend().put(b'weights', tmp_path / 'epoch_1.pth')
    assert ('Make room' in str(caught.value)) == (words == 'Make room')
    assert list(tmp_path.iterdir()) == []


def test_truth_22_weights_alone_are_not_resumed(train, tmp_path):
    train('first', 1)
    best = tmp_path / 'first/best_oIoU_epoch_1.pth'
    with pytest.raises(CheckpointError, match='no optimizer, param_schedulers.*load_from=.*best'):
        train('second', 2, resume=True, load_from=str(best))
    train('third', 1, load_from=str(best))  # what the message advises


def test_truth_22_a_checkpoint_without_schedule_is_not_resumed(train, tmp_path):
    train('first', 1, **{'default_hooks.checkpoint.save_param_scheduler': False})
    with pytest.raises(CheckpointError, match='it has no param_schedulers'):
        train('first', 2, resume=True)


EMA = {'default_hooks.ema': dict(type='EMAHook', momentum=0.5)}


def test_truth_23_averaged_weights_are_not_confused_with_trained_ones(train, tmp_path):
    train('averaged', 1, **EMA)
    with pytest.raises(CheckpointError, match='was trained with EMAHook.*default_hooks.ema'):
        train('averaged', 2, resume=True)
    train('averaged', 2, resume=True, **EMA)


def test_truth_23_an_average_that_begins_late_is_said(train, tmp_path):
    train('plain', 1)
    runner = train('plain', 2, resume=True, **EMA)
    log = ''.join(path.read_text() for path in Path(runner.log_dir).glob('*.log'))
    assert 'was trained without EMAHook: the average begins now' in log


def alive(pid: int) -> bool:
    try:
        return Path(f'/proc/{pid}/stat').read_text().split(')')[1].split()[0] != 'Z'
    except OSError:
        return False


def wait_for(condition, seconds=10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


LOADING = """
    import os, sys, time
    sys.modules['magnet_mm'] = type(sys)('magnet_mm')  # its imports take seconds
    sys.modules['magnet_mm'].__path__ = [sys.argv[1]]
    import torch
    from magnet_mm.interruption import EndsWithParent, exit_on_sigterm

    class Slow(torch.utils.data.Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, index):
            print('worker', os.getpid(), flush=True)
            time.sleep(20 if index > 3 else 0.01)
            return index

    if sys.argv[2] == 'TERM':
        exit_on_sigterm()
    loader = torch.utils.data.DataLoader(
        Slow(), num_workers=2, worker_init_fn=EndsWithParent() if sys.argv[2] == 'KILL' else None)
    for item in loader:
        print('item', flush=True)
"""


@pytest.mark.parametrize('how', ['TERM', 'KILL'])
def test_truth_25_no_worker_outlives_the_main_process(how):
    package = Path(atomic_files.__file__).parent
    main = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(LOADING), str(package), how],
        stdout=subprocess.PIPE,
        text=True,
    )
    workers, line = set(), ''
    while len(workers) < 2 or 'item' not in line:
        line = main.stdout.readline()
        assert line, 'the process ended by itself'
        if line.startswith('worker'):
            workers.add(int(line.split()[1]))
    time.sleep(0.2)
    assert all(map(alive, workers))
    main.send_signal(getattr(signal, f'SIG{how}'))
    assert main.wait(10) == (143 if how == 'TERM' else -signal.SIGKILL)
    assert wait_for(lambda: not any(map(alive, workers)), 2)


def test_truth_25_the_hook_ends_workers_with_the_run(make_runner):
    runner = make_runner('run', num_workers=1)
    for loader, point in (
        (runner.train_dataloader, 'before_train_epoch'),
        (runner.val_dataloader, 'before_val_epoch'),
    ):
        before = loader.worker_init_fn
        runner.call_hook(point)
        assert isinstance(loader.worker_init_fn, EndsWithParent)
        assert loader.worker_init_fn.then is before


def test_truth_25_an_interrupted_writer_leaves_nothing(tmp_path):
    script = f"""
    import sys, time
    sys.modules['magnet_mm'] = type(sys)('magnet_mm')
    sys.modules['magnet_mm'].__path__ = [{str(Path(atomic_files.__file__).parent)!r}]
    from magnet_mm.atomic_files import unfinished_beside
    from magnet_mm.interruption import exit_on_sigterm

    exit_on_sigterm()
    with unfinished_beside({str(tmp_path / 'model.onnx')!r}, folder=True) as folder:
        (folder / 'model.onnx').write_text('half')
        print('writing', flush=True)
        time.sleep(30)
    """
    process = subprocess.Popen(
        [sys.executable, '-c', textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == 'writing\n'
    assert len(list(tmp_path.iterdir())) == 1
    process.terminate()
    assert process.wait(10) == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('error', [KeyboardInterrupt, SystemExit, RuntimeError])
def test_truth_25_an_interrupted_export_leaves_nothing(tmp_path, random_weights, error):
    def write(network, inputs, path, metadata):
        path.write_bytes(b'half')
        raise error

    old = tmp_path / 'model.onnx'
    old.write_bytes(b'an older export')
    config = Config.fromfile(ROOT / 'configs/magnet_tiny_refshapes.py')
    half = dataclasses.replace(FORMATS['onnx'], write=write)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FORMATS, 'onnx', half)
        with pytest.raises(error):
            export_checkpoint(config, 'a.py', random_weights, old)
    assert old.read_bytes() == b'an older export'
    assert [path.name for path in tmp_path.iterdir()] == ['model.onnx']
