# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Tables of a card, of the forms of deformable attention, and of a busy machine."""

from __future__ import annotations

from pathlib import Path

from benchmarks.tables import results_of, table

# Modes of write_performance.py --device; their section names the card.
ON_A_CARD = ('accelerator', 'checks')


def attention(results: dict[str, dict]) -> str | None:
    """Return the section of this name, None without a result."""
    rows = [
        [
            f'{result["machine"]["device"]}, `{Path(result["config"]).stem}`',
            form,
            str(result['batch']),
            *(f'{1000 * seconds[kind]["median"]:.1f}' for kind in ('forward', 'step')),
        ]
        for result in results_of(results, 'attention')
        for form, seconds in result['forms'].items()
    ]
    header = ['one layer', 'form', 'batch', 'ms forward', 'ms forward and backward']
    return table(header, rows) if rows else None


def busy(results: dict[str, dict]) -> str | None:
    """Return the section of this name, None without a result."""
    rows = [
        [
            row['machine'],
            row['way'],
            str(row['threads']),
            str(row['steps']),
            f'{row["seconds"]["median"]:.3f} ({row["seconds"]["min"]:.3f}-'
            f'{row["seconds"]["max"]:.3f})',
        ]
        for result in results_of(results, 'busy')
        for row in result['rows']
    ]
    header = ['machine', 'way', 'threads at the end', 'steps', 'seconds per step (min-max)']
    return table(header, rows) if rows else None


def accelerator(results: dict[str, dict]) -> str | None:
    """Return the section of this name, None without a result."""
    measured = results_of(results, 'accelerator')
    rows = []
    for result in measured:
        for row in result['rows']:
            rows.append(
                [
                    f'`{Path(result["config"]).stem}`, {row["kind"]}, {row["variant"]}',
                    row['dtype'],
                    str(row['batch']),
                    f'{row["images_per_second"]:.1f}',
                    f'{row["memory_bytes"] / 1e9:.1f}',
                    f'{row["peak"] / 1e12:.0f}',
                    f'{row["mfu"]:.2f}',
                ]
            )
    lines = [f'- Differences from the CPU in float32: {_differences(measured)}.'] if rows else []
    for result in results_of(results, 'checks'):
        lines.append(
            f'- `{Path(result["config"]).stem}`, six training steps: weights of two runs differ by '
            f'{result["repeated"]:.1e}, those of a resumed run by {result["resumed"]:.1e}. One '
            f'process with {result["backend"]}: all_reduce '
            f'{"right" if result["all_reduce"] else "WRONG"}, gather_object '
            f'{"right" if result["gather_object"] else "WRONG"}.'
        )
    if not rows and not lines:
        return None
    cards = {r['machine']['device'] for r in results.values() if r['mode'] in ON_A_CARD}
    header = ['model', 'type', 'batch', 'images/s', 'GB', 'peak TFLOP/s', 'mfu']
    parts = [f'Measured on {", ".join(sorted(cards))}.', '\n'.join(lines)]
    return '\n\n'.join([parts[0], *([table(header, rows)] if rows else []), parts[1]])


def _differences(measured: list[dict]) -> str:
    """Largest difference of the logits, as a share of the largest logit, of every config."""
    return ', '.join(f'`{Path(r["config"]).stem}` {r["difference"]:.1e}' for r in measured)
