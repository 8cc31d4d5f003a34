# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Measures speed: what a model reaches of the machine, and where its time goes."""

from magnet_mm.benchmarking.data import measure_data, measure_start_up
from magnet_mm.benchmarking.evaluation import measure_evaluation
from magnet_mm.benchmarking.machine import describe_machine, matmul_peak
from magnet_mm.benchmarking.model import Workload, measure_forward, measure_train
from magnet_mm.benchmarking.operations import count_operations
from magnet_mm.benchmarking.parts import time_parts
from magnet_mm.benchmarking.timing import interleave, summarise

__all__ = [
    'Workload',
    'count_operations',
    'describe_machine',
    'interleave',
    'matmul_peak',
    'measure_data',
    'measure_evaluation',
    'measure_forward',
    'measure_start_up',
    'measure_train',
    'summarise',
    'time_parts',
]
