# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes annotations with exactly RefCOCO's published numbers of refs, images and expressions.

    python tools/dataset_tools/make_refcoco_imitation.py /tmp/imitation

They are for measuring the dataset checker and for trying scripts without the download: the masks
are random polygons, the sentences random words, and all images are one grey picture (hard links).
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import _importable  # noqa: E402, F401

from magnet_mm.data_tools.checking.imitation import write_imitation  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(description='Make annotations of the size of RefCOCO.')
    parser.add_argument('out', type=Path, help='data root to make; it must not exist')
    parser.add_argument(
        '--share', type=float, default=1.0, help='share of the published numbers (default 1)'
    )
    args = parser.parse_args(argv)
    expressions = write_imitation(args.out, args.share)
    print(f'{args.out}: {expressions:,} expressions in the layout of the refer API.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
