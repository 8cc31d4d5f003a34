# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The transcripts of docs/prepare_data.md are what the command prints."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_transcripts_are_what_the_command_prints(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/docs_tools'))
    import write_prepare_data

    page = write_prepare_data.PAGE.read_text(encoding='utf-8')
    assert page.count('```text') == 10
    assert write_prepare_data.rewritten(page) == page
