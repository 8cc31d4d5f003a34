# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The page of an audit, ``audit.html``, and its numbers, ``audit.json``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from magnet_mm.analysis import score_plots as plots
from magnet_mm.analysis.html_page import PANEL, data_url, render_page
from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.atomic_files import write_atomically
from magnet_mm.audit import measures as ms
from magnet_mm.audit.answers import Answer
from magnet_mm.audit.probes import PROBES
from magnet_mm.evaluation import decode_mask
from magnet_mm.evaluation.scores import item_iou
from magnet_mm.visualization.panels import (
    GROUND_TRUTH_COLOR,
    PREDICTION_COLOR,
    draw_mask,
    fit_panel,
    printable,
)

SHOWN = 4  # pictures per probe
_WORDS_SHOWN = 20

#: Probe, its short name, what its pictures show, and the order: of answers to right sentences
#: those come first whose mask differs least (1) or most (-1) from that of the original sentence.
_GALLERIES = (
    ('shuffled', 'Shuffled', "Another object's sentence, and the mask stays", 1),
    ('blank', 'Blank', 'No sentence, and the mask stays', 1),
    ('permuted', 'Order', 'The words in another order, and the mask changes', -1),
    ('deleted', 'Deleted', 'A word left out, and the mask changes', -1),
    ('mirrored sides', 'Mirror', 'In the mirror, left and right exchanged: another answer', -1),
    ('mirrored', 'Mirror, no sides', 'In the mirror: another answer', -1),
    ('absent noun', 'Noun', 'The noun is not in the picture, and the mask stays', 1),
    ('absent colour', 'Colour', 'The colour is not in the picture, and the mask stays', 1),
)


def audit_numbers(
    answers: Sequence[Answer], classes: Callable[[str], list[str]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that the page and the table show, in plain types.

    Args:
        answers: Of all subjects to all probes.
        classes: Gives the classes of a sentence's words.
        facts: What was asked of which model.
    """
    by_class, by_word = ms.lost_by_class(answers, classes)
    return dict(
        **facts,
        images=len({answer.question.subject.image for answer in answers}),
        measures=[
            dict(asdict(one), title=ms.MEASURES[one.name][0], good=ms.MEASURES[one.name][1])
            for one in ms.measure(answers)
        ],
        probes=[
            dict(name=probe, title=PROBES[probe], **scores)
            for probe, scores in ms.probe_scores(answers).items()
        ],
        inexact=sum(not answer.question.exact for answer in answers),
        word_classes=[asdict(bar) for bar in by_class],
        words=[dict(asdict(bar), name=printable(bar.name, 30)) for bar in by_word],
    )


def write_audit(
    out_dir: str | os.PathLike[str],
    source: ItemSource,
    answers: Sequence[Answer],
    numbers: Mapping[str, Any],
    shown: int = SHOWN,
) -> Path:
    """Write ``audit.html`` and ``audit.json`` and return the page's path.

    Args:
        out_dir: Directory to write to; it is made.
        source: Where the subjects' pictures are.
        answers: Of all subjects to all probes.
        numbers: See :func:`audit_numbers`.
        shown: Pictures per probe.
    """
    bars = [
        [plots.GroupBar(**bar) for bar in numbers[key]][:_WORDS_SHOWN]
        for key in ('word_classes', 'words')
    ]
    titles = (
        f'Kind of word left out (by {numbers["classified_by"]})',
        f'Word left out (at most {_WORDS_SHOWN}, the most important first)',
    )
    context = dict(
        numbers,
        least=ms.MIN_TARGET_PIXELS,
        charts=[
            dict(title=title, svg=Markup(plots.loss_bars(one, 'IoU lost (points)')), rows=one)
            for title, one in zip(titles, bars, strict=True)
            if one
        ],
        notices=_notices(numbers),
        galleries=_galleries(source, answers, shown),
    )
    out_dir = Path(out_dir)
    page = out_dir / 'audit.html'
    write_atomically(page, render_page('audit.html', context))
    text = json.dumps(numbers, indent=2) + '\n'
    write_atomically(out_dir / 'audit.json', text.encode('utf-8'))
    return page


def _notices(numbers: Mapping[str, Any]) -> list[str]:
    if not numbers['inexact']:
        return []
    return [
        f'{numbers["inexact"]:,} of the exchanged colours are not known to be absent: no sentence '
        'of the picture mentions them, but the annotations tell no colours.'
    ]


def _galleries(source: ItemSource, answers: Sequence[Answer], shown: int) -> list[dict[str, Any]]:
    by_probe = ms.by_probes(answers)
    originals = {answer.question.subject.index: answer for answer in by_probe['original']}
    galleries = []
    for probe, short, title, order in _GALLERIES:
        found = [
            answer
            for answer in by_probe[probe]
            if ms.is_right(originals[answer.question.subject.index].truth)
            and ms.same_mask(answer) is (order > 0)
        ]
        found.sort(key=lambda answer: -order * item_iou(answer.before))
        chosen = _one_per_image(found)[:shown]
        if chosen:
            cards = [_card(source, originals[a.question.subject.index], a) for a in chosen]
            title = f'{title} ({len(chosen)} of {len(found)})'
            anchor = probe.replace(' ', '-')
            galleries.append(dict(anchor=anchor, short=short, title=title, cards=cards))
    return galleries


def _one_per_image(answers: Sequence[Answer]) -> list[Answer]:
    """Return the first answer of every picture, in order."""
    first: dict[Any, Answer] = {}
    for answer in answers:
        first.setdefault(answer.question.subject.image, answer)
    return list(first.values())


def _card(source: ItemSource, original: Answer, edited: Answer) -> dict[str, Any]:
    subject = original.question.subject
    sample = source.dataset[subject.index]
    image = fit_panel(sample['img'][..., ::-1].copy(), PANEL)
    other = image[:, ::-1].copy() if edited.question.flips else image
    panels = [
        ('image', image),
        ('ground truth', draw_mask(image, sample['gt_seg_map'], GROUND_TRUTH_COLOR)),
        ('A', draw_mask(image, decode_mask(original.mask), PREDICTION_COLOR)),
        ('B', draw_mask(other, decode_mask(edited.mask), PREDICTION_COLOR)),
    ]
    return dict(
        sentences=[printable(subject.expression), printable(edited.question.sentence)],
        facts=[
            f'ref {subject.ref_id}',
            f'IoU of A and B {100 * item_iou(edited.before):.1f} %',
            *(['says itself that nothing is meant'] if edited.no_target else []),
        ],
        panels=[dict(title=title, url=data_url(picture)) for title, picture in panels],
        width=image.shape[1],
        height=image.shape[0],
    )
