# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Whether the bytes of a checkpoint file are as they were written."""

from __future__ import annotations

import os
import zipfile


def archive_damage(path: str | os.PathLike[str]) -> str | None:
    """Say what is wrong with a file of ``torch.save``, or None when its bytes are as written.

    ``torch.load`` ignores the checksums in the file, so a flipped bit would become a wrong weight;
    they are compared here, which reads the file once. Files of the format before torch 1.6 have
    none and are only checked for being empty.
    """
    if os.path.getsize(path) == 0:
        return 'it is empty'
    with open(path, 'rb') as file:
        if file.read(2) != b'PK':  # the old format starts with a pickle
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [r.filename for r in archive.infolist() if r.compress_type != 0]
            if packed:
                return f'{packed[0]!r} in it is compressed, which torch.save never does'
            damaged = archive.testzip()
    except Exception as error:  # of many kinds: the bytes are arbitrary
        return f'it is cut off or overwritten: {error}'
    return None if damaged is None else f'the checksum of {damaged!r} in it is wrong'
