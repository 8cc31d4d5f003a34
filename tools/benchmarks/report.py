# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Writes measured results as Markdown tables between markers of a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.device_report import ON_A_CARD, accelerator, attention, busy
from benchmarks.tables import results_of, table
from magnet_mm.errors import ConfigError


def fill_page(page: Path, results: dict[str, dict]) -> list[str]:
    """Replace what stands between ``<!-- bench:NAME -->`` and ``<!-- /bench -->``.

    Args:
        page: the Markdown file.
        results: what the benchmark printed, by name of the run.

    Returns:
        Names of the sections that were written; one whose runs are absent stays as it is.

    Raises:
        ConfigError: when the page has no marker, or one of an unknown section.
    """
    return fill_sections(
        page, 'bench', {name: partial(section, results) for name, section in SECTIONS.items()}
    )


def fill_sections(
    page: Path, kind: str, sections: Mapping[str, Callable[[], str | None]]
) -> list[str]:
    """Replace what stands between ``<!-- KIND:NAME -->`` and ``<!-- /KIND -->``.

    Args:
        page: the Markdown file.
        kind: the word of the markers.
        sections: what gives the text of a name; None leaves a section as it is.

    Returns:
        Names of the sections that were written.

    Raises:
        ConfigError: when the page has no marker, or one of an unknown section.
    """
    text = page.read_text(encoding='utf-8')
    names = re.findall(rf'<!-- {kind}:(\S+) -->', text)
    unknown = set(names) - sections.keys()
    if not names or unknown:
        raise ConfigError(
            f'{page} has {"unknown sections " + str(sorted(unknown)) if unknown else "no section"}'
            f'; a section is <!-- {kind}:NAME --> ... <!-- /{kind} --> of {sorted(sections)}.'
        )
    written = []
    for name in names:
        body = sections[name]()
        if body is None:
            continue
        pattern = rf'(<!-- {kind}:{re.escape(name)} -->\n).*?(<!-- /{kind} -->)'
        text = re.sub(
            pattern, lambda match, body=body: f'{match[1]}{body}\n{match[2]}', text, flags=re.DOTALL
        )
        written.append(name)
    page.write_text(text, encoding='utf-8')
    return written


def _name(result: dict) -> str:
    variant = ', compiled' if result.get('compiled') else ''
    variant += ', freed memory returned' if result.get('returned_memory') else ''
    return f'`{Path(result["config"]).stem}`, {result.get("dtype", "float32")}{variant}'


def _speed_row(result: dict) -> list[str]:
    seconds = result['seconds']
    return [
        _name(result),
        str(result['batch']),
        f'{seconds["median"]:.2f} ({seconds["min"]:.2f}-{seconds["max"]:.2f})',
        f'{result["images_per_second"]:.2f}',
        f'{result["operations"] / 1e9:.0f}',
        f'{result["peak"] / 1e9:.0f}',
        f'{result["mfu"]:.2f}',
        f'{result["memory_bytes"] / 1e9:.2f}',
    ]


def _speed_table(mode: str) -> Callable[[dict[str, dict]], str | None]:
    def section(results: dict[str, dict]) -> str | None:
        rows = []
        for result in results_of(results, mode):
            rows.append(_speed_row(result) + ['1'])
            if 'versus' in result:
                rows.append(_speed_row(result['versus']) + [f'{result["ratio"]:.2f}'])
        header = ['model', 'batch', 'seconds (min-max)', 'images/s', 'GFLOP', 'peak GFLOP/s']
        return table([*header, 'mfu', 'GB', 'times as fast'], rows) if rows else None

    return section


def _parts_table(results: dict[str, dict]) -> str | None:
    measured = results_of(results, 'forward') + results_of(results, 'train')
    parts = list(dict.fromkeys(part for result in measured for part in result['parts']))
    rows = [
        [f'{_name(result)}, {result["mode"]}']
        + [f'{100 * result["parts"].get(part, 0):.0f} %' for part in parts]
        for result in measured
    ]
    return table(['share of the time', *parts], rows) if rows else None


def _memory(results: dict[str, dict]) -> str | None:
    rows = [
        [
            _name(result),
            str(result['batch']),
            'twice' if result['checkpointing'] else 'once',
            *(
                f'{result[key] / 1e9:.2f}'
                for key in ('kept_bytes', 'loss_and_gradients_bytes', 'step_bytes')
            ),
        ]
        for result in results_of(results, 'memory')
    ]
    header = ['model', 'batch', 'activations computed', 'kept for backward, GB']
    return table([*header, 'forward and backward, GB', 'whole step, GB'], rows) if rows else None


def _agreement(results: dict[str, dict]) -> str | None:
    rows = []
    for result in results_of(results, 'agreement'):
        for way, dtype in (('batched', 'float32'), ('other', None)):
            if way in result:
                counted = result[way]
                iou = counted['mask_iou']
                rows.append(
                    [
                        f'`{Path(result["config"]).stem}`, {dtype or counted["dtype"]}',
                        str(result['batch']),
                        f'{counted["items"]:,}',
                        f'{counted["flipped"]:,} of {counted["pixels"]:,}',
                        f'{counted["flipped_share"]:.1e}',
                        f'{iou["overall"]:.4f}',
                        f'{iou["mean"]:.4f} ({iou["min"]:.2f})',
                    ]
                )
    header = ['model', 'batch', 'masks', 'flipped pixels', 'share', 'overall IoU', 'mean (min)']
    return table(header, rows) if rows else None


def _evaluation(results: dict[str, dict]) -> str | None:
    rows = [
        [
            f'`{Path(result["config"]).stem}`',
            str(result['batch']),
            *(
                f'{1000 * result["seconds"][way]["min"] / result["items"]:.1f}'
                for way in ('one_by_one', 'batched', 'shared')
            ),
            f'{result["speed_up"]:.2f}',
            f'{result["from_batching"]:.2f}',
            f'{result["from_sharing"]:.2f}',
        ]
        for result in results_of(results, 'eval')
    ]
    header = ['model', 'batch', 'ms one by one', 'ms batched', 'ms shared']
    return table([*header, 'speed-up', 'from batching', 'from sharing'], rows) if rows else None


def _sentences(results: dict[str, dict]) -> str | None:
    rows = [
        [
            f'`{Path(result["config"]).stem}`',
            str(result['sentences']),
            *(
                cell
                for part in ('encoders', 'head', 'both')
                for cell in (
                    f'{1000 * result[part]["one"]["min"]:.1f}',
                    f'{result[part]["ratio"]:.2f}',
                )
            ),
        ]
        for result in results_of(results, 'sentences')
    ]
    header = ['model', 'sentences', 'encoders, ms', 'ratio', 'decoder, ms', 'ratio']
    return table([*header, 'both, ms', 'ratio'], rows) if rows else None


def _data(results: dict[str, dict]) -> str | None:
    lines = []
    training = {r['config']: r['images_per_second'] for r in results_of(results, 'train')}
    for result in results_of(results, 'data'):
        shares = ', '.join(f'{n} {1000 * s:.2f} ms' for n, s in result['transforms'].items())
        lines.append(
            f'- `{Path(result["config"]).stem}`, {result["workers"]} worker(s): '
            f'{result["images_per_second"]:.0f} images/s; without workers '
            f'{result["in_process"]:.0f}. Per image: {shares}.'
        )
        if result['config'] in training:
            consumed = training[result['config']]
            lines.append(
                f'  The trainer alone consumes {consumed:.1f} images/s: the pipeline feeds '
                f'{result["images_per_second"] / consumed:.1f} times that. Of a training '
                f'step, {_shares_of_a_step(result["transforms"], consumed)}.'
            )
        if 'start_up' in result:
            start = result['start_up']
            lines.append(
                f'- Start-up with {start["sentences"]:,} sentences: {start["seconds"]:.1f} s, '
                f'{start["memory_bytes"] / 1e9:.2f} GB.'
            )
    return '\n'.join(lines) or None


def _shares_of_a_step(transforms: dict[str, float], images_per_second: float) -> str:
    shares = {
        name: 100 * seconds * images_per_second
        for name, seconds in transforms.items()
        if name in ('LoadReferringMask', 'TokenizeExpression')
    }
    return ' and '.join(f'{name} takes {share:.1f} %' for name, share in shares.items())


def _ddp(results: dict[str, dict]) -> str | None:
    lines = []
    for result in results_of(results, 'ddp'):
        alone, reduced, together = (result[k]['median'] for k in ('alone', 'all_reduce', 'ddp'))
        lines.append(
            f'`{Path(result["config"]).stem}`, {result["processes"]} processes with '
            f'{result["batch"]} images each: a step without communication takes {alone:.3f} s, the '
            f'all-reduce of {result["gradient_bytes"] / 1e6:.1f} MB {reduced:.3f} s, so '
            f'{result["estimated"]:.3f} s are expected; measured: {together:.3f} s '
            f'({100 * result["error"]:+.0f} %).'
        )
    return '\n'.join(lines) or None


def _machine(results: dict[str, dict]) -> str | None:
    machines = {
        ', '.join(f'{key} {value}' for key, value in result['machine'].items())
        for result in results.values()
        if result['mode'] not in ON_A_CARD
    }
    return '\n'.join(f'- {machine}' for machine in sorted(machines)) or None


SECTIONS: dict[str, Callable[[dict[str, dict]], str | None]] = dict(
    accelerator=accelerator,
    attention=attention,
    busy=busy,
    machine=_machine,
    forward=_speed_table('forward'),
    train=_speed_table('train'),
    memory=_memory,
    agreement=_agreement,
    parts=_parts_table,
    eval=_evaluation,
    sentences=_sentences,
    data=_data,
    ddp=_ddp,
)
