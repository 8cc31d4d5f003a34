# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Makes magnet_mm importable from a checkout, and names libraries that are not installed.

Import it before anything else in a tool: ``import _importable  # noqa: F401``.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

_LIBRARIES = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'transformers')

_missing = [name for name in _LIBRARIES if find_spec(name) is None]
if _missing:
    raise SystemExit(
        f'{Path(sys.argv[0]).name}: {", ".join(_missing)} not installed in {sys.executable}. '
        "Run the tool with the project's .venv/bin/python, or install what requirements/ lists "
        '(README.md, Install).'
    )
if find_spec('magnet_mm') is None:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
