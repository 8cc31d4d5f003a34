# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Fits the index's tables of contents to the pages that are there.

Entries without a page are dropped, and ``{{other_pages}}`` becomes the pages that no entry names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatch

from sphinx.application import Sphinx

MARK = '{{other_pages}}'
TOCTREE = re.compile(r'(```\{toctree\}\n)(.*?)(```)', re.DOTALL)


def fit_index(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the index page before it is read."""
    if docname == app.config.root_doc:
        source[0] = fit_toctrees(source[0], set(app.project.docnames) - {docname})


def fit_toctrees(text: str, pages: Collection[str]) -> str:
    """The text with toctrees that name existing pages, and all of them.

    Args:
        text: Markdown with ``toctree`` directives; entries may be glob patterns.
        pages: names of all other pages. Those under ``reference/`` have an index of their own.
    """
    entries = [line.strip() for match in TOCTREE.finditer(text) for line in match[2].splitlines()]
    others = [
        page
        for page in sorted(pages)
        if not page.startswith('reference/') and not any(fnmatch(page, one) for one in entries)
    ]

    def keep(match: re.Match) -> str:
        lines = []
        for line in match[2].splitlines():
            entry = line.strip()
            if entry == MARK:
                lines += others
            elif not entry or entry.startswith(':') or any(fnmatch(p, entry) for p in pages):
                lines.append(line)
        return match[1] + ''.join(f'{line}\n' for line in lines) + match[3]

    return TOCTREE.sub(keep, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect('source-read', fit_index)
    return dict(parallel_read_safe=True)
