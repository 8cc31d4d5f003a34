# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A trained model as one folder of data, on disk or on the Hugging Face hub (docs/sharing.md)."""

from magnet_mm.sharing.box import box_folder, sample_picture
from magnet_mm.sharing.hub import push_folder
from magnet_mm.sharing.opening import open_shared
from magnet_mm.sharing.shared_folder import SharedModel, read_folder, write_folder

__all__ = [
    'SharedModel',
    'box_folder',
    'open_shared',
    'push_folder',
    'read_folder',
    'sample_picture',
    'write_folder',
]
