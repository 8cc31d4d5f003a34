# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Threads are those of the free cores, of a machine that is written down."""

import pytest
import torch

from magnet_mm.engine.run_setup import processor_threads

_LINE = '{name} {user} 50 30 7000 20 10 5 5 0 0\n'


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of four cores, of which the first three are ours; ``work`` is theirs in ticks."""
    statistics, works = tmp_path / 'stat', iter([[0, 0, 0, 0]])

    def write(ticks):
        lines = [_LINE.format(name=f'cpu{core}', user=100 + t) for core, t in enumerate(ticks)]
        statistics.write_text(''.join(['cpu  1 1 1 1 1 1 1 1 0 0\n', *lines, 'intr 12 3\n']))

    def set_up(threads, *work):
        nonlocal works
        works = iter([work])
        write([0, 0, 0, 0])
        torch.set_num_threads(threads)

    monkeypatch.setattr(processor_threads, '_STATISTICS', statistics)
    monkeypatch.setattr(processor_threads.os, 'sched_getaffinity', lambda _pid: {0, 1, 2})
    monkeypatch.setattr(processor_threads.os, 'sysconf', lambda _name: 100)
    monkeypatch.setattr(processor_threads.time, 'sleep', lambda _seconds: write(next(works)))
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS'):
        monkeypatch.delenv(name, raising=False)
    yield set_up
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ('work', 'left'),
    [
        ((0, 0, 0, 50), 3),  # the fourth core is not ours
        ((10, 5, 5, 0), 3),  # 0.2 s of 0.5 s: less than half a core
        ((50, 0, 0, 0), 2),
        ((50, 25, 25, 0), 1),
        ((50, 50, 50, 50), 1),
    ],
)
def test_as_many_threads_as_cores_are_free(machine, work, left, caplog):
    machine(3, *work)
    assert processor_threads.use_free_cores() == left == torch.get_num_threads()


def test_more_threads_are_never_taken(machine):
    machine(2, 0, 0, 0, 0)
    assert processor_threads.use_free_cores() == 2


def test_the_users_number_and_accelerators_are_left_alone(machine, monkeypatch):
    machine(3, 50, 50, 50, 50)
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    assert processor_threads.use_free_cores() == 3
    monkeypatch.delenv('OMP_NUM_THREADS')
    monkeypatch.setattr(processor_threads, 'get_device', lambda: 'cuda')
    assert processor_threads.use_free_cores() == 3


def test_a_system_that_says_nothing(machine, monkeypatch, tmp_path):
    machine(3, 50, 50, 50, 50)
    monkeypatch.setattr(processor_threads, '_STATISTICS', tmp_path / 'absent')
    assert processor_threads.use_free_cores() == 3
