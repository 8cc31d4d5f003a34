# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Models of these tests are built in mmseg's scope."""

from refcoco_root import mmseg_scope  # noqa: F401
