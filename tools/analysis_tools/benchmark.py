# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Measure a config's speed: forward pass, training step, evaluation or input pipeline.

    python tools/analysis_tools/benchmark.py configs/magnet_swinb_refcoco.py --mode forward
    python tools/analysis_tools/benchmark.py CONFIG --mode train --batch 2
    python tools/analysis_tools/benchmark.py CONFIG --mode forward --vs OTHER_CONFIG
    python tools/analysis_tools/benchmark.py CONFIG --mode forward --vs-dtype bfloat16
    python tools/analysis_tools/benchmark.py CONFIG --mode eval --batch 16
    python tools/analysis_tools/benchmark.py CONFIG --mode data
    torchrun --nproc_per_node 2 tools/analysis_tools/benchmark.py CONFIG --mode ddp

Prints one JSON line. ``mfu`` is the operations executed per second over those of a plain matrix
product on the same device, in the same type, in the same run; magnet_mm/benchmarking/operations.py
says what is counted. With --vs, --vs-dtype or --vs-compile the two take turns, and ``ratio`` is the
first one's median over the second one's: above 1, the second is faster. Weights are random.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
import torch  # noqa: E402
from mmengine.config import DictAction  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

from magnet_mm import benchmarking  # noqa: E402
from magnet_mm.engine.host_memory import keep_freed_memory  # noqa: E402

MODES = ('forward', 'train', 'eval', 'data', 'ddp')
DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path)
    parser.add_argument('--mode', choices=MODES, default='forward')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--dtype', choices=DTYPES, default='float32')
    parser.add_argument('--batch', type=int, help='default: 1 forward, 2 train, 16 eval and data')
    parser.add_argument('--repeats', type=int, default=5, help='timed calls (default 5)')
    parser.add_argument('--items', type=int, default=128, help='read in eval and data')
    parser.add_argument('--compile', action='store_true', help='through torch.compile (forward)')
    parser.add_argument('--vs', type=Path, metavar='CONFIG', help='compare with another config')
    parser.add_argument('--vs-dtype', choices=DTYPES, help='compare with another type')
    parser.add_argument('--vs-compile', action='store_true', help='compare with torch.compile')
    parser.add_argument(
        '--start-up', action='store_true', help='data: read annotations of the size of RefCOCO'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override the config')
    args = parser.parse_args(arguments)
    for config in filter(None, (args.config, args.vs)):
        if not config.is_file():
            parser.error(f'the config {config} does not exist')
    compared = [args.vs, args.vs_dtype, args.vs_compile or None]
    if sum(value is not None for value in compared) > 1:
        parser.error('--vs, --vs-dtype and --vs-compile exclude each other')
    if any(compared) and args.mode not in ('forward', 'train'):
        parser.error('--vs, --vs-dtype and --vs-compile belong to --mode forward and train')
    if args.compile and args.mode != 'forward':
        parser.error('--compile belongs to --mode forward: the losses read Python data samples')
    if args.batch is None:
        args.batch = dict(forward=1, train=2).get(args.mode, 16)
    if min(args.batch, args.repeats, args.items) < 1:
        parser.error('--batch, --repeats and --items should be positive')
    return args


def measure(args: argparse.Namespace) -> dict:
    """The numbers of one command line."""
    workload = benchmarking.Workload(
        config=str(args.config),
        device=torch.device(args.device),
        dtype=DTYPES[args.dtype],
        batch=args.batch,
        repeats=args.repeats,
        compiled=args.compile,
        options=args.cfg_options,
    )
    if args.mode == 'ddp':
        return benchmarking.measure_ddp(workload)
    if args.mode == 'eval':
        return benchmarking.measure_evaluation(workload, args.items)
    if args.mode == 'data':
        result = benchmarking.measure_data(workload, args.items)
        return result | (dict(start_up=benchmarking.measure_start_up()) if args.start_up else {})
    workloads = [workload]
    if args.vs:
        workloads.append(replace(workload, config=str(args.vs)))
    elif args.vs_dtype:
        workloads.append(replace(workload, dtype=DTYPES[args.vs_dtype]))
    elif args.vs_compile:
        workloads.append(replace(workload, compiled=True))
    run = benchmarking.measure_train if args.mode == 'train' else benchmarking.measure_forward
    first, *others = run(*workloads)
    if not others:
        return first
    ratio = first['seconds']['median'] / others[0]['seconds']['median']
    return dict(first, ratio=ratio, versus=others[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    MMLogger.get_instance('mmengine', log_level='WARNING')  # the JSON line alone
    keep_freed_memory()  # as tools/train.py does
    machine = benchmarking.describe_machine(torch.device(args.device))
    result = measure(args)
    if os.environ.get('RANK', '0') == '0':  # one line, also under torchrun
        print(json.dumps(dict(mode=args.mode, machine=machine, **result)))


if __name__ == '__main__':
    main()
