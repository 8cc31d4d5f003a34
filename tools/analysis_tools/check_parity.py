# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Compare a system with stored outputs of its released network.

    python tools/analysis_tools/check_parity.py rela --golden rela_tiny_golden.npz
        --keys rela_tiny_keys.json --training rela_tiny_training.npz

The pseudo-random weights of the stored outputs go through the system's converter into our model.
The variant is read off the file's name, sizes off the keys. Prints the largest difference of every
stored tensor; the exit status is 1 if one is past its tolerance.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import _importable  # noqa: E402, F401
from parity.check import check, known_systems  # noqa: E402
from parity.compare import table_of  # noqa: E402
from rich.console import Console  # noqa: E402

from magnet_mm.errors import CheckpointError, ConfigError  # noqa: E402


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('system', choices=known_systems())
    parser.add_argument('--golden', type=Path, help='<variant>_golden.npz')
    parser.add_argument('--keys', type=Path, required=True, help='<variant>_keys.json')
    parser.add_argument('--fill-keys', type=Path, help='<variant>_fill_keys.json (TensorFlow)')
    parser.add_argument('--training', type=Path, help='<variant>_training.npz')
    parser.add_argument('--config', type=Path, help="build this config's model instead")
    args = parser.parse_args()
    if args.golden is None and args.training is None:
        parser.error('give --golden, --training, or both')
    try:
        rows = check(
            args.system, args.golden, args.keys, args.fill_keys, args.training, args.config
        )
    except (CheckpointError, ConfigError, OSError) as error:
        print(f'check_parity.py: {error}', file=sys.stderr)
        return 2
    Console(width=150).print(table_of(rows, args.system))
    failed = [row for row in rows if not row.passed]
    print(f'{len(rows)} compared, {len(failed)} past the tolerance')
    return 1 if failed or not rows else 0


if __name__ == '__main__':
    raise SystemExit(main())
