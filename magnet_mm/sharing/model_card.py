# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The model card: what a shared model is, how to use it, what it scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from magnet_mm.version import __version__

SHOWN_SCORES = ('oIoU', 'mIoU', 'P@0.5', 'P@0.7', 'P@0.9', 'gIoU', 'cIoU', 'N-acc', 'T-acc')
TASK = 'image-segmentation'  # the hub's name of what is nearest


@dataclass
class CardText:
    """What the card says beside what the model itself tells.

    Attributes:
        license: The hub's name of a licence (``apache-2.0``).
        training: Markdown: the data, how it was trained, what it is not for.
        identifier: What ``ReferringSegInferencer`` is given; by default the folder's name.
    """

    license: str | None = None
    training: str = ''
    identifier: str = ''


def model_card(
    name: str, dataset_name: str | None, scores: Mapping[str, Any], about: Mapping[str, Any]
) -> str:
    """Return the card, with the hub's metadata at its head.

    Args:
        name: What the model is called.
        dataset_name: What it was trained and measured on.
        scores: Scores in percent by split.
        about: ``parameters``, ``weights`` (their type), ``size`` in bytes, and :class:`CardText`.
    """
    shown = [key for key in SHOWN_SCORES if any(key in measured for measured in scores.values())]
    results = [
        EvalResult(
            task_type=TASK,
            dataset_type=dataset_name or 'unknown',
            dataset_name=dataset_name or 'unknown',
            dataset_split=split,
            metric_type=key,
            metric_value=round(measured[key], 2),
        )
        for split, measured in scores.items()
        for key in shown
        if key in measured
    ]
    data = ModelCardData(
        library_name='magnet_mm',
        license=about['license'],
        pipeline_tag=TASK,
        tags=['referring-image-segmentation'],
        model_name=name,
        eval_results=results or None,
    )
    template = files('magnet_mm.sharing') / 'templates/model_card.jinja'
    return ModelCard.from_template(
        data,
        template_str=template.read_text(encoding='utf-8'),
        name=name,
        shown=shown,
        scores=scores,
        about=about,
        version=__version__,
    ).content
