# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Executes a notebook and keeps what it printed and drew: ``run_notebook.py NOTEBOOK``.

It runs in an empty folder, as a reader's would, and is written only if every cell succeeds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from magnet_mm.atomic_files import write_atomically

TIMEOUT = 600  # seconds a cell may take


def execute(path: Path, before: str = '') -> nbformat.NotebookNode:
    """Return the executed notebook.

    Args:
        path: The notebook.
        before: Python that runs before its first cell, and leaves no trace in it.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed; the message has its traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    with tempfile.TemporaryDirectory() as folder:
        resources = dict(metadata=dict(path=folder))
        NotebookClient(notebook, timeout=TIMEOUT, resources=resources).execute()
    notebook.cells.pop(0)
    for cell in notebook.cells:
        cell.metadata.pop('execution', None)  # the times of day
        for output in cell.get('outputs', ()):
            if 'image/jpeg' in output.get('data', {}):
                output.data.pop('image/png', None)  # Pillow gives both; this is ten times larger
    return notebook


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('notebook', type=Path)
    args = parser.parse_args(arguments)
    write_atomically(args.notebook, (nbformat.writes(execute(args.notebook)) + '\n').encode())
    print(f'{args.notebook}: executed')


if __name__ == '__main__':
    main()
