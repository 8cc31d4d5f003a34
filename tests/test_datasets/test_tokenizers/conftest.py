# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A small vocabulary of words."""

import pytest


@pytest.fixture
def words(tmp_path) -> str:
    """Ids: <pad> 0, <unk> 3, man 4, ' 5, s 6, red 7, hat 8."""
    path = tmp_path / 'words.txt'
    path.write_text('\n'.join("<pad> <go> <eos> <unk> man ' s red hat".split()) + '\n')
    return str(path)
