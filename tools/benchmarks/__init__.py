# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Measures speed: what a model reaches of the machine, and where its time goes."""

from benchmarks.accelerator import measure_accelerator
from benchmarks.agreement import measure_agreement
from benchmarks.attention import measure_attention
from benchmarks.busy import measure_busy
from benchmarks.data import measure_data, measure_start_up
from benchmarks.data_parallel import measure_ddp
from benchmarks.device_checks import check_device
from benchmarks.evaluation import measure_evaluation
from benchmarks.machine import describe_machine, matmul_peak
from benchmarks.memory import measure_memory
from benchmarks.model import Workload, measure_forward, measure_train
from benchmarks.operations import count_operations
from benchmarks.parts import time_parts
from benchmarks.sentences import measure_sentences
from benchmarks.timing import interleave, summarise

__all__ = [
    'Workload',
    'check_device',
    'count_operations',
    'describe_machine',
    'interleave',
    'matmul_peak',
    'measure_accelerator',
    'measure_agreement',
    'measure_attention',
    'measure_busy',
    'measure_data',
    'measure_ddp',
    'measure_evaluation',
    'measure_forward',
    'measure_memory',
    'measure_sentences',
    'measure_start_up',
    'measure_train',
    'summarise',
    'time_parts',
]
