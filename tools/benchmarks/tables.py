# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Markdown tables, and the results of one kind."""

from __future__ import annotations


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; all columns but the first are right-aligned."""
    lines = [header, ['---'] + ['---:'] * (len(header) - 1), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def results_of(results: dict[str, dict], mode: str) -> list[dict]:
    """Return what one mode of the benchmark printed."""
    return [result for result in results.values() if result['mode'] == mode]
