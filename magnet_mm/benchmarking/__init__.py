# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Measures speed: what a model reaches of the machine, and where its time goes."""

from magnet_mm.benchmarking.agreement import measure_agreement
from magnet_mm.benchmarking.data import measure_data, measure_start_up
from magnet_mm.benchmarking.evaluation import measure_evaluation
from magnet_mm.benchmarking.machine import describe_machine, matmul_peak
from magnet_mm.benchmarking.memory import measure_memory
from magnet_mm.benchmarking.model import Workload, measure_forward, measure_train
from magnet_mm.benchmarking.operations import count_operations
from magnet_mm.benchmarking.parts import time_parts
from magnet_mm.benchmarking.scaling import CLUSTERS, estimate, measure_ddp
from magnet_mm.benchmarking.timing import interleave, summarise

__all__ = [
    'CLUSTERS',
    'Workload',
    'count_operations',
    'describe_machine',
    'estimate',
    'interleave',
    'matmul_peak',
    'measure_agreement',
    'measure_data',
    'measure_ddp',
    'measure_evaluation',
    'measure_forward',
    'measure_memory',
    'measure_start_up',
    'measure_train',
    'summarise',
    'time_parts',
]
