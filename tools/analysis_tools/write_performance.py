# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Run the benchmarks one after the other and write their tables into docs/performance.md.

    python tools/analysis_tools/write_performance.py                # everything: `make bench`
    python tools/analysis_tools/write_performance.py --only eval data
    python tools/analysis_tools/write_performance.py --device cuda  # the table of one card
    python tools/analysis_tools/write_performance.py --render       # tables from stored results

Each run is a process of its own; what it printed is kept in work_dirs/bench/<run>.json, so that an
interrupted series goes on with --missing. Nothing else should run on the machine meanwhile. The
agreement of masks is measured on trained models: `make demo`, and tools/train.py with the other two
small configs; those that are not there are named and left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools'))
import _importable  # noqa: E402, F401
from benchmarks.report import SECTIONS, fill_page  # noqa: E402

SWIN = {
    'magnet': 'configs/magnet_swinb_refcoco.py',
    'lavt': 'configs/lavt_swinb_refcoco.py',
    'coupalign': 'configs/coupalign_swinb_refcoco.py',
}
TINY = 'configs/magnet_tiny_refshapes.py'
# Config and work directory of small trained models.
TRAINED = {
    'magnet': (TINY, 'work_dirs/demo'),
    'lavt': ('configs/lavt_tiny_refshapes.py', 'work_dirs/lavt_tiny_refshapes'),
    'coupalign': ('configs/coupalign_tiny_refshapes.py', 'work_dirs/coupalign_tiny_refshapes'),
}
# RefShapes in the place of RefCOCO, at RefCOCO's image size.
_TEST_SET = 'test_dataloader.dataset'
ON_REFSHAPES = [
    '--cfg-options',
    f'{_TEST_SET}.data_root=data/refshapes',
    f'{_TEST_SET}.ann_file=refshapes/instances.json',
    f'{_TEST_SET}.refs_file=refshapes/refs(unc).p',
    f'{_TEST_SET}.dataset_name=refshapes',
    f'{_TEST_SET}.pipeline.3.tokenizer=magnet_mm://refshapes',
]
RUNS: dict[str, list[str]] = {
    **{
        f'forward-{name}': [config, '--mode', 'forward', '--vs-dtype', 'bfloat16']
        for name, config in SWIN.items()
    },
    'compile-magnet': [SWIN['magnet'], '--mode', 'forward', '--vs-compile'],
    'train-magnet': [SWIN['magnet'], '--mode', 'train', '--vs-returned-memory'],
    'train-lavt': [SWIN['lavt'], '--mode', 'train'],
    'train-coupalign': [SWIN['coupalign'], '--mode', 'train'],
    'train-tiny': [TINY, '--mode', 'train', '--batch', '16', '--repeats', '20', '--vs-compile'],
    'memory-magnet': [SWIN['magnet'], '--mode', 'memory'],
    'memory-magnet-checkpointing': [SWIN['magnet'], '--mode', 'memory', '--checkpointing'],
    **{
        f'agreement-{name}': [config, '--mode', 'agreement', '--vs-dtype', 'bfloat16']
        + ['--items', '1000000', '--checkpoint', f'{folder}/best_oIoU_*.pth']
        for name, (config, folder) in TRAINED.items()
    },
    'eval-tiny': [TINY, '--mode', 'eval', '--batch', '16', '--items', '512'],
    'eval-magnet': [SWIN['magnet'], '--mode', 'eval', '--batch', '8', '--items', '16']
    + ON_REFSHAPES,
    **{
        f'sentences-{path.stem}': [str(path.relative_to(ROOT)), '--mode', 'sentences']
        + ['--batch', '10', '--repeats', '20']
        for path in sorted((ROOT / 'configs').glob('*_tiny_refshapes.py'))
        if '-' not in path.stem  # a plug-in changes nothing here
    },
    **{
        f'sentences-{name}_swinb': [f'configs/{name}_swinb_refcoco.py', '--mode', 'sentences']
        + ['--batch', '10', '--repeats', '3']
        for name in ('caris', 'lavt')
    },
    'data-tiny': [TINY, '--mode', 'data', '--batch', '16', '--items', '2048', '--start-up'],
    'attention': [SWIN['magnet'], '--mode', 'attention'],
    'busy-tiny': [TINY, '--mode', 'busy', '--batch', '16', '--repeats', '30'],
    'ddp-tiny': [TINY, '--mode', 'ddp', '--batch', '8', '--repeats', '20'],
}

# One full-size config of every method, for a card.
FULL = {
    **SWIN,
    **{
        name.split('_')[0]: f'configs/{name}.py'
        for name in (
            *('caris_swinb_refcoco', 'cmpc_r101_refcoco', 'cris_r101_refcoco'),
            *('crossvlt_swinb_refcoco', 'efn_wide-r101_refcoco', 'lscm_r101_refcoco'),
            *('lts_darknet53_refcoco', 'rela_swinb_refcoco', 'vlt_darknet53_refcoco'),
        )
    },
}


def device_runs(device: str) -> dict[str, list[str]]:
    """Name the runs on a card: every system in bfloat16, what the card promises, and the data."""
    on_device = ['--device', device]
    return {
        f'{device}-checks': [TINY, '--mode', 'checks', *on_device],
        f'{device}-attention': [SWIN['magnet'], '--mode', 'attention', '--batch', '8', *on_device],
        f'{device}-data': [SWIN['magnet'], '--mode', 'data', '--batch', '32']
        + [argument.replace('test_dataloader', 'train_dataloader') for argument in ON_REFSHAPES],
        **{
            f'{device}-{name}': [config, '--mode', 'accelerator', '--dtype', 'bfloat16', *on_device]
            for name, config in FULL.items()
        },
    }


def run(name: str, options: Sequence[str], folder: Path) -> None:
    """Run one benchmark and store its JSON line; without its trained weights, say so."""
    arguments = []
    for argument in options:
        found = sorted(ROOT.glob(argument)) if '*' in argument else [argument]
        if not found:
            print(f'{name}: left out, because there is no {argument} yet', flush=True)
            return
        arguments.append(str(found[-1]))
    launcher = [sys.executable]
    if name.startswith('ddp'):
        launcher += ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2']
    command = [*launcher, str(ROOT / 'tools/analysis_tools/benchmark.py'), *arguments]
    print(f'{name}: {" ".join(arguments)}', flush=True)
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    (folder / f'{name}.json').write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--page', type=Path, default=ROOT / 'docs/performance.md')
    parser.add_argument('--folder', type=Path, default=ROOT / 'work_dirs/bench')
    parser.add_argument('--device', help='measure a card, for instance cuda, instead')
    parser.add_argument('--only', nargs='+', metavar='PART', help='runs whose name contains PART')
    parser.add_argument('--missing', action='store_true', help='leave out runs with a result')
    parser.add_argument('--render', action='store_true', help='run nothing')
    args = parser.parse_args(arguments)
    args.folder.mkdir(parents=True, exist_ok=True)
    on_device = device_runs(args.device or 'cuda')
    runs = on_device if args.device else RUNS
    for name, options in () if args.render else runs.items():
        wanted = args.only is None or any(part in name for part in args.only)
        if wanted and not (args.missing and (args.folder / f'{name}.json').is_file()):
            run(name, options, args.folder)
    results = {
        name: json.loads((args.folder / f'{name}.json').read_text(encoding='utf-8'))
        for name in (*RUNS, *on_device)
        if (args.folder / f'{name}.json').is_file()
    }
    if args.device:
        print(SECTIONS['accelerator'](results))
    print(f'{args.page}: wrote {", ".join(fill_page(args.page, results)) or "nothing"}')


if __name__ == '__main__':
    main()
