# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""docs/quickstart.ipynb: every cell runs, as nbclient runs it, and the training of it learns."""

import re
from pathlib import Path

import nbformat
import pytest
from docs_tools.run_notebook import execute

from magnet_mm.sharing import box

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / 'docs/quickstart.ipynb'
OWN_SCORES = r'^(before|after) +val +oIoU +([\d.]+)'


def outputs(notebook, kind):
    cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
    return [output for cell in cells for output in cell.outputs if output.output_type == kind]


def printed(notebook):
    return ''.join(output.text for output in outputs(notebook, 'stream'))


@pytest.mark.slow
def test_every_cell_runs(model_in_box):
    notebook = execute(
        NOTEBOOK,
        f'import sys; sys.path.insert(0, {str(ROOT)!r})\n'
        'from pathlib import Path; from magnet_mm.sharing import box\n'
        f'box.FOLDER = Path({str(model_in_box)!r})',
    )
    text = printed(notebook)
    scores = dict(re.findall(OWN_SCORES, text, re.M))
    assert float(scores['after']) > max(float(scores['before']), 50)
    assert 'not in the vocabulary of the model: "largest", "zebra"' in text
    pictures = [one for one in outputs(notebook, 'display_data') if 'image/jpeg' in one.data]
    assert len(pictures) == 3 and 'image/png' not in pictures[0].data


@pytest.mark.skipif(
    not (box.FOLDER / 'config.json').is_file(), reason='make box has not been committed yet'
)
def test_its_output_is_committed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert set(dict(re.findall(OWN_SCORES, printed(notebook), re.M))) == {'before', 'after'}
    assert not outputs(notebook, 'error')
