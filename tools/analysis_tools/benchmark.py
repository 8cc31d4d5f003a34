# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
r"""Measure a config: speed of its parts, memory of a training step, what fast paths change.

    python tools/analysis_tools/benchmark.py configs/magnet_swinb_refcoco.py --mode forward
    python tools/analysis_tools/benchmark.py CONFIG --mode train --batch 2
    python tools/analysis_tools/benchmark.py CONFIG --mode forward --vs OTHER_CONFIG
    python tools/analysis_tools/benchmark.py CONFIG --mode forward --vs-dtype bfloat16
    python tools/analysis_tools/benchmark.py CONFIG --mode eval --batch 16
    python tools/analysis_tools/benchmark.py CONFIG --mode sentences --batch 10
    python tools/analysis_tools/benchmark.py CONFIG --mode data
    python tools/analysis_tools/benchmark.py CONFIG --mode memory --checkpointing
    python tools/analysis_tools/benchmark.py CONFIG --mode agreement --checkpoint best.pth \\
        --vs-dtype bfloat16
    python tools/analysis_tools/benchmark.py CONFIG --mode agreement --checkpoint best.pth \\
        --vs-onnx best.image.int8.onnx best.sentence.int8.onnx
    python tools/analysis_tools/benchmark.py CONFIG --mode accelerator --dtype bfloat16
    python tools/analysis_tools/benchmark.py CONFIG --mode checks       # equal runs, collectives
    python tools/analysis_tools/benchmark.py CONFIG --mode attention    # deformable, its forms
    python tools/analysis_tools/benchmark.py CONFIG --mode busy         # beside endless loops
    torchrun --nproc_per_node 2 tools/analysis_tools/benchmark.py CONFIG --mode ddp

Prints one JSON line. ``mfu`` is the operations executed per second over those of a plain matrix
product on the same device, in the same type, in the same run; tools/benchmarks/operations.py
says what is counted. With --vs... two are compared, which take turns where they can; ``ratio`` is
the first one's median over the second one's: above 1, the second is faster. Weights are random,
but for agreement: that counts the pixels in which masks of a trained model differ from those of
float32, sentence by sentence.
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
import benchmarks  # noqa: E402
import torch  # noqa: E402
from mmengine.config import DictAction  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402

from magnet_mm.engine.run_setup.host_memory import keep_freed_memory, return_freed_memory  # noqa: E402

_OF_ONE_WORKLOAD = dict(
    ddp=benchmarks.measure_ddp,
    sentences=benchmarks.measure_sentences,
    memory=benchmarks.measure_memory,
    accelerator=benchmarks.measure_accelerator,
    attention=benchmarks.measure_attention,
    busy=benchmarks.measure_busy,
    checks=benchmarks.check_device,
)
MODES = ('forward', 'train', 'eval', 'data', 'agreement', *_OF_ONE_WORKLOAD)
_BATCHES = (
    'default: 1 forward and attention, 2 train, memory and checks, 10 sentences (of one image), '
    '32 accelerator, else 16'
)
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
    parser.add_argument('--batch', type=int, help=_BATCHES)
    parser.add_argument('--repeats', type=int, default=5, help='timed calls (default 5)')
    parser.add_argument('--items', type=int, default=128, help='read in eval, data, agreement')
    parser.add_argument(
        '--compile',
        action='store_true',
        help='through torch.compile: all of forward, the encoder in train',
    )
    parser.add_argument(
        '--checkpointing', action='store_true', help='train, memory: compute activations twice'
    )
    parser.add_argument('--checkpoint', type=Path, help='agreement: the trained weights')
    parser.add_argument(
        '--vs-onnx', type=Path, nargs='+', metavar='FILE', help='agreement: with an export (1 or 2)'
    )
    parser.add_argument('--vs', type=Path, metavar='CONFIG', help='compare with another config')
    parser.add_argument('--vs-dtype', choices=DTYPES, help='compare with another type')
    parser.add_argument('--vs-compile', action='store_true', help='compare with torch.compile')
    parser.add_argument(
        '--vs-returned-memory',
        action='store_true',
        help='compare with the memory of freed tensors given back, as glibc does by itself (CPU)',
    )
    parser.add_argument(
        '--start-up', action='store_true', help='data: read annotations of the size of RefCOCO'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override the config')
    args = parser.parse_args(arguments)
    for file in filter(None, (args.config, args.vs, *(args.vs_onnx or ()))):
        if not file.is_file():
            parser.error(f'there is no file {file}')
    compared = [args.vs, args.vs_dtype, args.vs_compile, args.vs_returned_memory, args.vs_onnx]
    if sum(map(bool, compared)) > 1:
        parser.error('the options --vs... exclude each other')
    # option, whether it is given, modes that read it
    for option, given, modes in (
        ('--vs', args.vs, ('forward', 'train')),
        ('--vs-dtype', args.vs_dtype, ('forward', 'train', 'agreement')),
        ('--vs-compile', args.vs_compile, ('forward', 'train')),
        ('--vs-returned-memory', args.vs_returned_memory, ('forward', 'train')),
        ('--compile', args.compile, ('forward', 'train')),
        ('--checkpointing', args.checkpointing, ('train', 'memory')),
        ('--vs-onnx', args.vs_onnx, ('agreement',)),
        ('--checkpoint', args.checkpoint, ('agreement',)),
    ):
        if given and args.mode not in modes:
            parser.error(f'{option} belongs to --mode {" and ".join(modes)}')
    if args.mode == 'agreement' and args.checkpoint is None:
        parser.error('--mode agreement needs --checkpoint: masks of random weights say nothing')
    if args.batch is None:
        batches = dict(forward=1, attention=1, train=2, memory=2, checks=2, sentences=10)
        args.batch = dict(batches, accelerator=32).get(args.mode, 16)
    if min(args.batch, args.repeats, args.items) < 1:
        parser.error('--batch, --repeats and --items should be positive')
    return args


def measure(args: argparse.Namespace) -> dict:
    """Return the numbers of one command line."""
    workload = benchmarks.Workload(
        config=str(args.config),
        device=torch.device(args.device),
        dtype=DTYPES[args.dtype],
        batch=args.batch,
        repeats=args.repeats,
        compiled=args.compile,
        checkpointing=args.checkpointing,
        options=args.cfg_options,
    )
    if args.mode in _OF_ONE_WORKLOAD:
        return _OF_ONE_WORKLOAD[args.mode](workload)
    if args.mode == 'eval':
        return benchmarks.measure_evaluation(workload, args.items)
    if args.mode == 'data':
        result = benchmarks.measure_data(workload, args.items)
        return result | (dict(start_up=benchmarks.measure_start_up()) if args.start_up else {})
    if args.mode == 'agreement':
        other = args.vs_dtype and DTYPES[args.vs_dtype]
        return benchmarks.measure_agreement(
            workload, str(args.checkpoint), args.items, other, args.vs_onnx or ()
        )
    workloads = [workload]
    if args.vs:
        workloads.append(replace(workload, config=str(args.vs)))
    elif args.vs_dtype:
        workloads.append(replace(workload, dtype=DTYPES[args.vs_dtype]))
    elif args.vs_compile:
        workloads.append(replace(workload, compiled=True))
    run = benchmarks.measure_train if args.mode == 'train' else benchmarks.measure_forward
    if args.vs_returned_memory:  # cannot be switched off again, so that the two cannot take turns
        others = [dict(run(workload)[0], returned_memory=True)]
        keep_freed_memory()
        first = run(workload)[0]
    else:
        first, *others = run(*workloads)
    if not others:
        return first
    ratio = first['seconds']['median'] / others[0]['seconds']['median']
    return dict(first, ratio=ratio, versus=others[0])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    MMLogger.get_instance('mmengine', log_level='WARNING')  # the JSON line alone
    if args.mode == 'memory':
        return_freed_memory()
    elif not args.vs_returned_memory:
        keep_freed_memory()  # as tools/train.py does
    machine = benchmarks.describe_machine(torch.device(args.device))
    result = measure(args)
    if os.environ.get('RANK', '0') == '0':  # one line, also under torchrun
        print(json.dumps(dict(mode=args.mode, machine=machine, **result)))


if __name__ == '__main__':
    main()
