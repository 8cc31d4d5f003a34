# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Checks a refs file against its `instances.json` and against the published counts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magnet_mm.data_tools.checking.discovery import DatasetFolder, split_by
from magnet_mm.data_tools.checking.files import read_json, read_pickle
from magnet_mm.data_tools.checking.findings import Findings
from magnet_mm.data_tools.checking.instances import AGAIN, Instances, Track, again_from
from magnet_mm.data_tools.checking.published import PUBLISHED, SplitCounts, difference
from magnet_mm.datasets.annotations.checks import check_kind
from magnet_mm.datasets.annotations.refs_reader import NO_TARGET, ZERO, is_json, means_several
from magnet_mm.errors import DataError

_FIELDS = dict(ref_id=int, image_id=int, split=str, sentences=list)


@dataclass
class Split:
    """What one split of a refs file holds."""

    refs: int = 0
    expressions: int = 0
    image_ids: set[int] = field(default_factory=set)

    @property
    def counts(self) -> SplitCounts:
        """Its refs, images and expressions."""
        return SplitCounts(self.refs, len(self.image_ids), self.expressions)


@dataclass
class RefsFile:
    """The splits of one refs file; ``published`` are the counts to compare with, if known."""

    dataset: str
    split_by: str
    where: str
    splits: dict[str, Split] = field(default_factory=dict)
    published: dict[str, SplitCounts] | None = None

    @property
    def name(self) -> str:
        """Dataset and division, as tables show it."""
        return f'{self.dataset} ({self.split_by})'


def check_refs(
    folder: DatasetFolder,
    path: Path,
    instances: Instances | None,
    findings: Findings,
    track: Track,
) -> RefsFile | None:
    """Read and check one refs file.

    Args:
        folder (DatasetFolder): Its dataset.
        path (Path): The file.
        instances (Instances): The annotations of the dataset; None if they cannot be used.
        findings (Findings): Takes what is found.
        track (Track): Wraps the iteration over the refs, to show progress.

    Returns:
        RefsFile: Its splits; None if the file cannot be used at all.
    """
    where = f'{folder.name}/{path.name}'
    try:
        json_file = path.suffix == '.json' or _begins_as_json(path)
        refs = read_json(path) if json_file else read_pickle(path)
    except DataError as error:
        findings.error(where, str(error), again_from(folder.name))
        return None
    if not isinstance(refs, list) or not refs:
        problem = f'expected a list of refs, found {type(refs).__name__}.'
        findings.error(where, problem, 'Put the refs file of this dataset here.')
        return None
    result = RefsFile(folder.name, split_by(path), where)
    generalized = any(map(means_several, refs))
    if json_file and not generalized:
        findings.error(
            where,
            'the refs of RefCOCO are a pickle, this is JSON.',
            "Write it again by pickle.dump(refs, open('refs(unc).p', 'wb'), protocol=2).",
        )
    seen: dict[str, set] = {'ref': set(), 'sentence': set()}
    for position, ref in enumerate(track(refs, f'{where}: refs')):
        if _well_formed(ref, position, where, findings):
            if generalized and not ref['sentences']:
                findings.warning(
                    where,
                    'refs have no sentence and are left out.',
                    'Nothing: the authors of gRefCOCO skip them, too.',
                    f'ref {ref["ref_id"]}',
                )
                continue
            split = result.splits.setdefault(ref['split'], Split())
            split.refs += 1
            split.image_ids.add(ref['image_id'])
            split.expressions += len(ref['sentences'])
            _check_ids(ref, seen, where, findings)
            _check_sentences(ref, where, findings)
            if instances is not None:
                _check_targets(ref, instances, where, findings)
    result.published = expected_counts(folder, result.split_by, generalized)
    compare_counts(result, findings)
    return result


def _begins_as_json(path: Path) -> bool:
    with path.open('rb') as file:
        return is_json(file.read(64))


def expected_counts(
    folder: DatasetFolder, division: str, generalized: bool
) -> dict[str, SplitCounts] | None:
    """Return the counts of docs/data.md, or those that the RefShapes generator wrote."""
    if folder.name != 'refshapes':
        return PUBLISHED.get((folder.name, division))
    if generalized or division != 'unc':  # the summary counts refs(unc).p alone
        return None
    try:
        summary = json.loads((folder.path / 'summary.json').read_text(encoding='utf-8'))
        return {
            split: SplitCounts(*(int(row[name]) for name in ('refs', 'images', 'sentences')))
            for split, row in summary.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def compare_counts(refs: RefsFile, findings: Findings) -> None:
    """Compare the counts of every split with the published ones."""
    for name, expected in (refs.published or {}).items():
        split = refs.splits.get(name)
        if split is None:
            findings.error(refs.where, f'split {name} is missing.', AGAIN)
            continue
        differing = difference(expected, split.counts)
        if differing:
            findings.error(
                refs.where,
                f'split {name} has {differing}.',
                'Scores on it would not be comparable. ' + AGAIN,
            )


def _well_formed(ref: Any, position: int, where: str, findings: Findings) -> bool:
    """Whether a ref has the fields it needs."""
    fields = ref if isinstance(ref, dict) else {}
    lacking = [name for name, kind in _FIELDS.items() if not isinstance(fields.get(name), kind)]
    if not isinstance(fields.get('ann_id'), int | list):
        lacking.append('ann_id')
    if lacking:
        problem = f'refs lack {", ".join(lacking)} (or have it in another type).'
        findings.error(where, problem, AGAIN, f'ref number {position}')
    return not lacking


def _check_ids(ref: dict, seen: dict[str, set], where: str, findings: Findings) -> None:
    """Look for ids that occur twice."""
    if ref['ref_id'] in seen['ref']:
        findings.error(where, 'ref ids occur twice.', AGAIN, f'ref {ref["ref_id"]}')
    seen['ref'].add(ref['ref_id'])
    for sentence in ref['sentences']:
        sent_id = sentence.get('sent_id') if isinstance(sentence, dict) else None
        if isinstance(sent_id, int) and sent_id in seen['sentence']:
            findings.error(where, 'sentence ids occur twice.', AGAIN, f'sentence {sent_id}')
        seen['sentence'].add(sent_id if isinstance(sent_id, int) else None)


def _check_sentences(ref: dict, where: str, findings: Findings) -> None:
    """Look for refs without sentences and for sentences without words."""
    example = f'ref {ref["ref_id"]}'
    if not ref['sentences']:
        findings.error(where, 'refs have no sentence.', AGAIN, example)
    for sentence in ref['sentences']:
        text = sentence.get('raw', sentence.get('sent')) if isinstance(sentence, dict) else None
        if not isinstance(text, str) or not isinstance(sentence.get('sent_id'), int):
            findings.error(where, 'sentences lack "raw" or "sent_id".', AGAIN, example)
            continue
        try:
            check_kind(sentence.get('kind'), 'it')
        except DataError:
            problem = 'sentences have a kind that is no short label of letters and digits.'
            findings.error(where, problem, AGAIN, example)
        if not text.strip():
            advice = 'They count when scoring; nothing can be done on this side.'
            findings.warning(where, 'sentences are empty.', advice, example)


def _check_targets(ref: dict, instances: Instances, where: str, findings: Findings) -> None:
    """Check that the image and the annotations of a ref exist, fit together and have a mask."""
    example = f'ref {ref["ref_id"]}'
    together = 'Refs and instances must come from one download; get both again.'
    if ref['image_id'] not in instances.images:
        problem = 'refs are on images that instances.json does not have.'
        findings.error(where, problem, together, f'{example}: image {ref["image_id"]}')
    if ref.get('source') == ZERO:
        return
    if isinstance(ref['ann_id'], int):
        targets = [ref['ann_id']]
    else:
        targets = [] if ref['ann_id'] == [NO_TARGET] else ref['ann_id']
        if NO_TARGET in targets or ref.get('no_target', not targets) != (not targets):
            problem = 'refs contradict themselves: ann_id and no_target.'
            findings.error(where, problem, AGAIN, f'{example}: ann_id {targets}')
            return
    for target in targets:
        annotation = instances.annotations.get(target) if isinstance(target, int) else None
        if annotation is None:
            problem = 'refs mean annotations that instances.json does not have.'
            findings.error(where, problem, together, f'{example}: annotation {target!r:.20}')
        elif annotation.get('image_id') != ref['image_id']:
            problem = 'refs and their annotations are on different images.'
            findings.error(where, problem, together, f'{example}: annotation {target}')
        elif target in instances.unusable:
            problem = 'refs mean an object whose mask is empty or unusable.'
            findings.error(where, problem, 'See instances.json.', f'{example}: annotation {target}')
