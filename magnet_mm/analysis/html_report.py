# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""One HTML page about a per-item result file: scores, diagrams, the worst and the best items."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from magnet_mm.analysis import item_groups as groups
from magnet_mm.analysis import score_plots as plots
from magnet_mm.analysis.bootstrap import SCORES, interval, item_sums, resampled_scores, scores_of
from magnet_mm.analysis.html_page import PANEL, data_url, render_page
from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.analysis.paired_items import PairedItems, pair_items
from magnet_mm.errors import DataError
from magnet_mm.evaluation import Item, decode_mask, item_iou, item_key
from magnet_mm.evaluation.boundary_iou import BOUNDARY_IOU, boundary_items
from magnet_mm.evaluation.score_record import (
    Record,
    check_comparable,
    describe,
    describe_model,
)
from magnet_mm.visualization.panels import (
    GROUND_TRUTH_COLOR,
    PREDICTION_COLOR,
    draw_mask,
    fit_panel,
    printable,
)

SHOWN = 20
_RUN_COLORS = ((0, 114, 178), (230, 159, 0))  # Okabe-Ito blue and orange, as in the diagrams


@dataclass(frozen=True)
class Run:
    """A result file: its name on the page, its items, and the ``scores.json`` beside it."""

    name: str
    items: Sequence[Item]
    record: Record | None = None


def write_report(
    out_dir: str | os.PathLike[str],
    source: ItemSource,
    first: Run,
    second: Run | None = None,
    shown: int = SHOWN,
) -> Path:
    """Write ``report.html`` and ``report.json`` (its numbers).

    Args:
        out_dir: Directory to write to; it is made.
        source: The dataset of the first run's items.
        first: Run A.
        second: Run B, to be compared with A; items that only one of them has are counted on the
            page and left out of the comparison.
        shown: Number of items to show at each end.

    Returns:
        Path of the page.

    Raises:
        DataError: If there are no items, the dataset does not hold them, or the runs share none,
            or their records say that they were scored by different protocols.
    """
    shown_runs = [run for run in (first, second) if run]
    records = [run.record for run in shown_runs if run.record]
    if len(records) == 2:
        check_comparable(*records, ignored=['split'])  # a control may stand against its split
    pairs = None if second is None else pair_items(first.items, second.items)
    runs = [list(first.items)] if pairs is None else [list(pairs.first), list(pairs.second)]
    items = runs[0]
    images = [source.info(item)['img_id'] for item in items]
    resampled = resampled_scores(runs, images)
    breakdowns = _breakdowns(source, runs, images)
    ious = [np.array([item_iou(item) for item in run]) for run in runs]
    overall = [scores_of(item_sums(run).sum(0))[0] for run in runs]
    context = dict(
        title=_title(items),
        names=[printable(run.name) for run in shown_runs],
        records=[_record_line(run.record) for run in shown_runs],
        count=len(items),
        images=len(set(images)),
        sizes=[_mask_sizes(run) for run in runs],
        scores=[*_score_rows(runs, resampled), *_boundary_rows(runs, images)],
        pairs=pairs and _pair_facts(pairs),
        charts=[
            dict(title='IoU of the items', svg=Markup(plots.iou_histogram(ious))),
            dict(title='P@X curve', svg=Markup(plots.precision_curve(ious))),
            *_comparison_charts(ious),
            *(
                dict(
                    title=name,
                    svg=Markup(plots.group_bars(bars, overall)),
                    rows=_group_rows(bars),
                )
                for name, bars in breakdowns
            ),
        ],
        galleries=_changed(source, pairs, shown) if pairs else _extremes(source, items, shown),
    )
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    page = out_dir / 'report.html'
    page.write_bytes(render_page('report.html', context))
    shared = ('title', 'names', 'records', 'count', 'images', 'scores')
    numbers = {key: context[key] for key in shared}
    numbers['pairs'] = context['pairs']
    numbers['groups'] = {n: [[asdict(b) for b in bars] for bars in runs] for n, runs in breakdowns}
    (out_dir / 'report.json').write_text(json.dumps(numbers, indent=2) + '\n', encoding='utf-8')
    return page


def _title(items: Sequence[Item]) -> str:
    names = sorted({f'{item["dataset_name"]}, {item["split"]}' for item in items})
    return printable('; '.join(names))


def _record_line(record: Record | None) -> str | None:
    """Say how a run was scored, and with what, where that is written."""
    if record is None:
        return None
    return f'{describe(record["evaluations"][0]["protocol"])}; {describe_model(record)}'


def _mask_sizes(items: Sequence[Item]) -> str:
    """Size of the scored masks in pixels (width x height), or that they differ."""
    sizes = set()
    for item in items:
        size = item['prediction'].get('size')
        if not isinstance(size, list) or [type(side) for side in size] != [int, int]:
            raise DataError(
                f'the prediction of ref_id {item["ref_id"]}, sent_id {item["sent_id"]} has no size '
                f'[height, width] but {size!r:.40}; write the results again'
            )
        sizes.add(tuple(size))
    if len(sizes) > 1:
        return f'{len(sizes)} sizes (original resolution)'
    height, width = next(iter(sizes))
    return f'{width} x {height} pixels'


def _score_rows(runs: Sequence[Sequence[Item]], resampled: np.ndarray) -> list[dict[str, Any]]:
    """Per score: value and interval of each run, and the difference of two."""
    values = [scores_of(item_sums(items).sum(0)) for items in runs]
    rows = []
    for column, name in enumerate(SCORES):
        row: dict[str, Any] = dict(name=name, runs=[])
        for run, scores in enumerate(values):
            low, high = interval(resampled[run, :, column])
            row['runs'].append(dict(value=float(scores[column]), low=low, high=high))
        if len(runs) == 2:
            low, high = interval(resampled[1, :, column] - resampled[0, :, column])
            difference = float(values[1][column] - values[0][column])
            row['difference'] = dict(
                value=difference, low=low, high=high, clear=low > 0 or high < 0
            )
        rows.append(row)
    return rows


def _boundary_rows(
    runs: Sequence[Sequence[Item]], images: Sequence[Hashable]
) -> list[dict[str, Any]]:
    """Boundary IoU as a row like the others, where all runs were scored with it."""
    counted = [boundary_items(items) for items in runs]
    if None in counted:
        return []
    rows = _score_rows(counted, resampled_scores(counted, images))
    return [dict(row, name=BOUNDARY_IOU) for row in rows if row['name'] == 'mIoU']


def _breakdowns(
    source: ItemSource, runs: Sequence[Sequence[Item]], images: Sequence[Hashable]
) -> list[tuple[str, list[list[plots.GroupBar]]]]:
    """Title and bars (run by run) of every way to group the items."""
    sizes = {item_key(item): groups.size_group(source.relative_size(item)) for item in runs[0]}
    ways: list[tuple[str, Callable, Sequence[str]]] = [
        ('Sentence length (words)', lambda i: groups.length_group(i['expression']),
         groups.LENGTH_ORDER),
        ('Position words (in the sentence)', lambda i: groups.position_groups(i['expression']),
         groups.POSITION_ORDER),
        ('Object size (share of the image, %)', lambda i: sizes[item_key(i)], groups.SIZE_ORDER),
        ('Kind of sentence', lambda i: i.get('kind') and printable(str(i['kind']))[:30], ()),
    ]  # fmt: skip
    result = []
    for title, groups_of, order in ways:
        found = groups.group_indices(runs[0], groups_of, order)
        if found:
            bars = [_bars(run, found, images) for run in runs]
            result.append((title, bars))
    return result


def _bars(
    items: Sequence[Item], found: dict[str, list[int]], images: Sequence[Hashable]
) -> list[plots.GroupBar]:
    bars = []
    for name, members in found.items():
        chosen = [items[index] for index in members]
        resampled = resampled_scores([chosen], [images[index] for index in members])
        score = scores_of(item_sums(chosen).sum(0))[0]
        bars.append(plots.GroupBar(name, len(chosen), float(score), *interval(resampled[0, :, 0])))
    return bars


def _group_rows(bars: Sequence[Sequence[plots.GroupBar]]) -> list[dict[str, Any]]:
    return [
        dict(name=row[0].name, count=row[0].count, runs=[asdict(bar) for bar in row])
        for row in zip(*bars, strict=True)
    ]


def _pair_facts(pairs: PairedItems) -> dict[str, Any]:
    gains = np.array(pairs.gains())
    return dict(
        better=int((gains > 0).sum()),
        worse=int((gains < 0).sum()),
        equal=int((gains == 0).sum()),
        much_better=int((gains >= 0.1).sum()),
        much_worse=int((gains <= -0.1).sum()),
        only_first=pairs.only_first,
        only_second=pairs.only_second,
        other_sentences=pairs.other_sentences,
    )


def _comparison_charts(ious: Sequence[np.ndarray]) -> list[dict[str, Any]]:
    if len(ious) == 1:
        return []
    return [
        dict(title='Item by item', svg=Markup(plots.iou_scatter(*ious))),
        dict(title='Change per item', svg=Markup(plots.gain_histogram(ious[1] - ious[0]))),
    ]


def _extremes(source: ItemSource, items: Sequence[Item], shown: int) -> list[dict[str, Any]]:
    """Return the worst items (of equal IoU those of the largest union first) and the best."""
    # of equal items those with the most wrong pixels: the worst mistakes, the most difficult hits
    ordered = sorted(items, key=lambda i: (item_iou(i), -i['union'], item_key(i)))
    worst, best = ordered[:shown], sorted(ordered[::-1][:shown], key=item_iou, reverse=True)
    return [
        dict(
            anchor=anchor,
            title=f'The {len(chosen)} {anchor} items',
            cards=[_card(source, [item]) for item in chosen],
        )
        for anchor, chosen in (('worst', worst), ('best', best))
    ]


def _changed(source: ItemSource, pairs: PairedItems, shown: int) -> list[dict[str, Any]]:
    """Return the items with the largest losses and gains of run B."""
    triples = sorted(
        zip(pairs.gains(), pairs.first, pairs.second, strict=True),
        key=lambda triple: (triple[0], item_key(triple[1])),
    )
    worse = [triple for triple in triples[:shown] if triple[0] < 0]
    better = [triple for triple in triples[::-1][:shown] if triple[0] > 0]
    return [
        dict(
            anchor=anchor,
            title=f'The {len(chosen)} items that became {anchor}',
            cards=[_card(source, [a, b]) for _, a, b in chosen],
        )
        for anchor, chosen in (('better', better), ('worse', worse))
        if chosen
    ]


def _card(source: ItemSource, versions: Sequence[Item]) -> dict[str, Any]:
    """Sentence, facts and pictures of one item; ``versions`` are the runs' results for it."""
    item = versions[0]
    loaded = source.load(item)
    image = fit_panel(loaded.image, PANEL)
    panels = [
        ('image', image),
        ('ground truth', draw_mask(image, loaded.ground_truth, GROUND_TRUTH_COLOR)),
    ]
    for place, version in enumerate(versions):
        name = 'prediction' if len(versions) == 1 else plots.RUN_NAMES[place]
        color = PREDICTION_COLOR if len(versions) == 1 else _RUN_COLORS[place]
        mask = draw_mask(image, decode_mask(version['prediction']), color)
        panels.append((f'{name}, IoU {100 * item_iou(version):.1f} %', mask))
    return dict(
        sentences=list(dict.fromkeys(printable(version['expression']) for version in versions)),
        facts=[
            f'ref {item["ref_id"]}, sentence {item["sent_id"]}',
            *([printable(str(item['kind']))] if item.get('kind') else []),
            f'object {100 * loaded.ground_truth.mean():.1f} % of the image',
        ],
        panels=[dict(title=title, url=data_url(picture)) for title, picture in panels],
        width=image.shape[1],
        height=image.shape[0],
    )
