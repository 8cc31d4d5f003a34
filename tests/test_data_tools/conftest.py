# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The hand-written data root of `tests/data/refcoco_root.py` as fixtures."""

from refcoco_root import (  # noqa: F401
    instances,
    mmseg_scope,
    pipeline,
    refs,
    vocabulary,
    write_data,
)
