# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Sphinx configuration: ``python -m sphinx -W --keep-going -b html docs docs/_build/html``."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / '_ext')]

from magnet_mm.version import __version__  # noqa: E402

project = 'magnet_mm'
author = 'magnet_mm authors'
project_copyright = 'magnet_mm authors, Apache-2.0'
release = version = __version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
    'reference_pages',  # docs/_ext: the generated part of the reference
]
exclude_patterns = ['_build', 'ablations', 'examples', 'leaderboard']

myst_enable_extensions = ['colon_fence', 'deflist', 'dollarmath']
myst_heading_anchors = 4

autodoc_member_order = 'bysource'
autodoc_inherit_docstrings = False  # docstrings of mmseg and torch are not ours to check
napoleon_use_ivar = True  # the attributes of dataclasses, without a second entry for each
napoleon_use_rtype = False

html_theme = 'furo'
html_title = f'magnet_mm {release}'
html_show_sphinx = False
