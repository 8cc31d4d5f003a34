# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Asks a model the questions of an audit and counts pixels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.apis.requests import ImageRequest
from magnet_mm.apis.results import ReferringResult
from magnet_mm.audit.material import Material
from magnet_mm.audit.probes import Question, questions
from magnet_mm.evaluation import count_pixels, encode_mask
from magnet_mm.evaluation.results_io import Item


@dataclass(frozen=True)
class Answer:
    """What a model answers.

    Attributes:
        question: The question.
        truth: ``intersection`` and ``union`` of the mask with the object's, pixels of the image.
        before: The same with the mask that the original sentence gets.
        area: Pixels of the mask.
        no_target: The model says that nothing is meant.
        mask: COCO compressed RLE; of the mirrored picture where that was asked.
    """

    question: Question
    truth: Item
    before: Item
    area: int
    no_target: bool
    mask: dict[str, Any]


def answer_questions(
    inferencer: ReferringSegInferencer,
    source: ItemSource,
    material: Material,
    seed: int,
    batch_size: int,
) -> Iterator[list[Answer]]:
    """Yield the answers image by image.

    Every sentence is asked once of a picture, whoever asks it; those of one picture follow one
    another, so that the model encodes it once per batch.
    """
    groups = [
        list(group) for _, group in itertools.groupby(material.subjects, lambda one: one.image)
    ]
    asked = [
        [
            question
            for subject in group
            for question in questions(subject, material.scenes[subject.image], seed)
        ]
        for group in groups
    ]
    answered = _ask(inferencer, _requests(source, asked), batch_size)
    for image_questions in asked:
        plain, flipped = next(answered), next(answered)
        yield list(_counted(source, image_questions, plain, flipped))


def _requests(source: ItemSource, asked: Sequence[Sequence[Question]]) -> Iterator[ImageRequest]:
    """For every image, the picture and its mirror image; each has questions."""
    for image_questions in asked:
        picture = source.dataset[image_questions[0].subject.index]['img']
        for flips, pixels in ((False, picture), (True, picture[:, ::-1].copy())):
            texts = dict.fromkeys(q.sentence for q in image_questions if q.flips is flips)
            yield ImageRequest(pixels, 'image', None, tuple(texts))


def _ask(
    inferencer: ReferringSegInferencer, requests: Iterable[ImageRequest], batch_size: int
) -> Iterator[dict[str, ReferringResult]]:
    """Yield the results of every request by sentence."""
    found: dict[str, ReferringResult] = {}
    for originals, data in inferencer.preprocess(requests, batch_size):
        results = inferencer.postprocess(inferencer.forward(data), originals)
        for (request, _), result in zip(originals, results, strict=True):
            found[result.expression] = result
            if len(found) == len(request.expressions):
                yield found
                found = {}


def _counted(
    source: ItemSource,
    image_questions: Sequence[Question],
    plain: dict[str, ReferringResult],
    flipped: dict[str, ReferringResult],
) -> Iterator[Answer]:
    truths: dict[int, np.ndarray] = {}
    for question in image_questions:
        subject = question.subject
        if subject.ref_id not in truths:
            truths[subject.ref_id] = source.dataset[subject.index]['gt_seg_map'].astype(bool)
        result = (flipped if question.flips else plain)[question.sentence]
        mask = result.mask[:, ::-1] if question.flips else result.mask
        yield Answer(
            question,
            _pixels(mask, truths[subject.ref_id]),
            _pixels(mask, plain[subject.expression].mask),
            result.area,
            result.no_target,
            encode_mask(result.mask),
        )


def _pixels(one: np.ndarray, other: np.ndarray) -> Item:
    counts = count_pixels(torch.from_numpy(one.copy()), torch.from_numpy(other))
    return dict(zip(('intersection', 'union'), counts.tolist(), strict=True))
