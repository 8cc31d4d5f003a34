# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Replaces ``{{other_pages}}`` in the index by the pages that no other line of it names."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from sphinx.application import Sphinx

MARK = '{{other_pages}}'


def list_other_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fill the mark on the index page."""
    if docname != app.config.root_doc or MARK not in source[0]:
        return
    toctrees = re.findall(r'```\{toctree\}\n(.*?)```', source[0], re.DOTALL)
    patterns = [
        line.strip() for toctree in toctrees for line in toctree.splitlines() if line.strip()
    ]
    others = [
        name
        for name in sorted(app.project.docnames)
        if name != docname
        and not name.startswith('reference/')  # listed by reference/index
        and not any(fnmatch(name, pattern) for pattern in patterns)
    ]
    source[0] = source[0].replace(MARK, '\n'.join(others))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect('source-read', list_other_pages)
    return dict(parallel_read_safe=True)
