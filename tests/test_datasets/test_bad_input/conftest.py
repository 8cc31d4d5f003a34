# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Compares the table of cases in docs/bad_input.md with the cases that are tested."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[3] / 'docs' / 'bad_input.md'


@pytest.fixture
def check_table():
    """A function (section, {case: outcome}) that fails where the docs say something else.

    With UPDATE_DOCS=1 in the environment it writes the section instead.
    """

    def check(section: str, outcomes: dict[str, str]) -> None:
        rows = [f'| {case} | {outcome} |' for case, outcome in outcomes.items()]
        table = '\n'.join(['| case | outcome |', '|---|---|', *rows, ''])
        text = DOCS.read_text(encoding='utf-8')
        block = re.compile(rf'(<!-- cases: {section} -->\n)(.*?)(<!-- end of cases -->)', re.DOTALL)
        assert len(block.findall(text)) == 1, f'docs/bad_input.md has no section {section}'
        if os.environ.get('UPDATE_DOCS'):
            text = block.sub(lambda found: found[1] + table + found[3], text)
            DOCS.write_text(text, encoding='utf-8')
        assert block.search(text)[2] == table, (
            'docs/bad_input.md is not what is tested; run this test with UPDATE_DOCS=1'
        )

    return check
