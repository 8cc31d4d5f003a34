# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes the transcripts of docs/prepare_data.md: the command on a fixture of each form.

``python tools/docs_tools/write_prepare_data.py``; the report of check-data, which ends each run,
is left out. A test compares the page with what this would write.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/prepare_data.md'
sys.path[:0] = [str(ROOT), str(ROOT / 'tests/data')]

import downloads_of_data as downloads  # noqa: E402

from magnet_mm.cli import main as magnet_mm  # noqa: E402

#: What lies in the folder where the page's commands run.
FIXTURES = {
    'refcoco.zip': lambda: downloads.refer_zip(Path()),
    'coco': lambda: downloads.refer_zip(Path('coco'), 'refcocog', 'umd'),
    'hub': lambda: downloads.hub_parquet(Path('hub'), 'refcocoplus'),
    'benchmark': lambda: downloads.benchmark_parquet(Path('benchmark')),
    'lmms-lab': lambda: downloads.lossy_parquet(Path('lmms-lab')),
    'mdetr': lambda: downloads.mdetr_folder(Path('mdetr')),
    'gRefCOCO': lambda: downloads.grefcoco_folder(Path('gRefCOCO')),
    'moondream': lambda: downloads.refcoco_m_parquet(Path('moondream')),
    'RefSegRS': lambda: downloads.refsegrs_folder(Path('RefSegRS')),
    'VGPhraseCut_v0': lambda: downloads.phrasecut_folder(Path('VGPhraseCut_v0')),
}
_BLOCK = re.compile(
    r'```bash\n(magnet-mm prepare-data (\S+)[^\n]*)\n```\n\n```text\n(.*?)```', re.DOTALL
)


def rewritten(page: str) -> str:
    """Return the page with the output of every command that a ``text`` block follows."""
    return _BLOCK.sub(_with_output, page)


def _with_output(block: re.Match[str]) -> str:
    command, source = block[1], block[2]
    return f'```bash\n{command}\n```\n\n```text\n{_output(command, source)}```'


def _output(command: str, source: str) -> str:
    said = io.StringIO()
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            if '.' not in source:
                Path(source).mkdir()
            FIXTURES[source]()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                magnet_mm(shlex.split(command)[1:])
        finally:
            os.chdir(before)
    shown = re.sub(r'^.* - mmengine - INFO - .*\n', '', said.getvalue(), flags=re.MULTILINE)
    return re.split(r'^data/refer: ', shown, maxsplit=1, flags=re.MULTILINE)[0]


if __name__ == '__main__':
    PAGE.write_text(rewritten(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
