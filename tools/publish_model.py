# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes a checkpoint ready to publish: ``python tools/publish_model.py IN.pth OUT.pth``.

As mmseg's tool of that name: what only a training needs (optimiser, schedules, message hub, config
text with its paths) is left out, and OUT becomes ``OUT-<first 8 digits of its SHA-256>.pth``, which
``torch.hub`` compares. A shared folder without pickle is ``save_pretrained`` (docs/sharing.md).
"""

from __future__ import annotations

import _importable  # noqa: F401  # isort: skip

import argparse
import hashlib
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from mmengine.runner import CheckpointLoader

import magnet_mm  # noqa: F401  (safe loading)
from magnet_mm.atomic_files import write_atomically
from magnet_mm.cli.dispatch import run_command
from magnet_mm.engine.checkpointing.plain_types import to_plain
from magnet_mm.errors import CheckpointError

META = ('epoch', 'iter', 'dataset_meta', 'mmengine_version', 'no_target_threshold')


def publish(source: Path, target: Path) -> Path:
    """Write the published file and return its path.

    Raises:
        CheckpointError: The source cannot be read safely, or holds no ``state_dict``.
    """
    checkpoint = CheckpointLoader.load_checkpoint(str(source), map_location='cpu')
    if not isinstance(checkpoint.get('state_dict'), Mapping):
        raise CheckpointError(f'{source} has no state_dict; give a .pth file of tools/train.py.')
    meta = checkpoint.get('meta') or {}
    kept = dict(
        meta={key: meta[key] for key in META if key in meta}, state_dict=checkpoint['state_dict']
    )
    content = io.BytesIO()
    torch.save(to_plain(kept), content)
    digest = hashlib.sha256(content.getvalue()).hexdigest()
    published = target.with_name(f'{target.stem}-{digest[:8]}.pth')
    write_atomically(published, content.getvalue())
    left_out = sorted(set(checkpoint) - set(kept))
    print(f'{published}: {len(content.getvalue()):,} bytes; left out: {", ".join(left_out)}')
    return published


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', type=Path, help='checkpoint of a training')
    parser.add_argument('target', type=Path, help='name of the published file, without its digits')
    args = parser.parse_args(arguments)
    publish(args.source, args.target)


if __name__ == '__main__':
    sys.exit(run_command(main, None, 'publish_model'))
