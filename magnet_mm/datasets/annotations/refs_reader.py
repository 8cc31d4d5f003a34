# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Reads the refs files of RefCOCO (`refs(<split_by>).p`), gRefCOCO (`grefs(...).json`) and kin.

The file's content says whether it is JSON or a pickle, and whether refs mean one object each, as in
RefCOCO, or several or none: in gRefCOCO `ann_id` is a list, in Ref-ZOM `source` may be `zero`, and
in R-RefCOCO a sentence may have `exist=False`. All go through the same checks.
"""

from __future__ import annotations

import json
from typing import Any

from mmengine.logging import print_log

from magnet_mm.datasets.annotations.checks import check_fields, check_kind
from magnet_mm.datasets.annotations.refer_pickle import load_plain_pickle, read_bytes
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable

NO_TARGET = -1
ZERO = 'zero'  # `source` of a ref of Ref-ZOM that means nothing, whatever its ann_id is
KINDS = ('no-target', 'single-target', 'multi-target')
_REF_FIELDS = dict(ref_id=int, image_id=int, split=str, sentences=list)


def read_refs(refs_file: str, generalized: bool | None = None) -> list[dict]:
    """Read and checks all refs of a refs file.

    Args:
        refs_file (str): Path of a refs file of RefCOCO or gRefCOCO.
        generalized (bool, optional): Which of the two it must be read as; by its content if None.

    Returns:
        list[dict]: The refs in file order, with `ref_id, ann_id, image_id, split, sentences`
        (`raw, sent_id, kind`, and `no_target=True` where it means nothing beside a ref that does).
        In gRefCOCO and its kin `ann_id` is always a list, empty for no target, and refs without a
        sentence are left out, with one logged count (its authors skip them).

    Raises:
        DataError: The file cannot be read, is no list of refs, or a ref lacks a field, has no
            sentence (RefCOCO), contradicts itself about having no target, or repeats a `ref_id`
            or, within the ref, a `sent_id`.

    Source: docs/data.md. Several refs may share one `ann_id`, so `ref_id` is the key. `ann_id`
    [-1] for no target as in the released ReLA code.
    """
    refs = _read(refs_file, generalized)
    if not isinstance(refs, list) or not refs:
        raise DataError(
            f'{refs_file}: expected a non-empty list of refs, found {type(refs).__name__}. '
            'Check that `refs_file` names a refs(<split_by>).p or grefs(<split_by>).json file.'
        )
    if generalized is None:
        generalized = any(means_several(ref) for ref in refs)
    seen: set[int] = set()
    lists: set[int] = set()
    checked = []
    for position, ref in enumerate(refs):
        where = f'{refs_file}: ref number {position}'
        check_fields(ref, _REF_FIELDS, where)
        targets = _targets(ref, where, generalized)
        where = f'{refs_file}: ref {ref["ref_id"]}'
        if ref['ref_id'] in seen:
            raise DataError(f'{where} occurs twice. Correct or download the file again.')
        seen.add(ref['ref_id'])
        if id(ref['sentences']) in lists:  # a small file could stand for any number of items
            raise DataError(
                f'{where} shares its list of sentences with another ref. Check the file.'
            )
        lists.add(id(ref['sentences']))
        if not ref['sentences'] and generalized:
            continue
        checked.append({**ref, 'ann_id': targets, 'sentences': _said(ref, where, generalized)})
    if len(checked) < len(refs):
        print_log(
            f'{refs_file}: {len(refs) - len(checked)} of {len(refs)} refs have no sentence and '
            'are left out.',
            logger='current',
        )
    return checked


def select_split(refs: list[dict], split: str, refs_file: str) -> list[dict]:
    """Return the refs of one split, in file order.

    A split `testA` takes refs of `testAB`, too, as `refer` does (RefCLEF).

    Raises:
        DataError: No ref has this split; the message lists the splits there are.
    """
    selected = [ref for ref in refs if _in_split(ref['split'], split)]
    if not selected:
        found = ', '.join(sorted({printable(ref['split'], 40) for ref in refs})[:20])
        raise DataError(
            f'{refs_file}: no ref belongs to split "{split}". The splits in this file are: '
            f'{found}. Set `split` to one of them or choose another refs file.'
        )
    return selected


def is_json(data: bytes) -> bool:
    """Whether a file holds JSON and no pickle; no pickle begins with a bracket or brace."""
    return data.removeprefix(b'\xef\xbb\xbf').lstrip()[:1] in (b'[', b'{')


def _read(path: str, generalized: bool | None) -> Any:
    """Return the content of the file, whatever it is."""
    data = read_bytes(path)
    if not is_json(data):
        if path.endswith('.json'):
            raise DataError(f'{path}: not valid JSON. Download the file again.')
        return load_plain_pickle(path, data)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        if 'Extra data' in str(error):
            raise DataError(
                f'{path}: these are JSON lines, no refs file. Read them with '
                "type='JsonLinesReferringDataset' and ann_file=... (docs/data.md, Own data)."
            ) from error
        raise DataError(f'{path}: not valid JSON ({error}). Download the file again.') from error
    if generalized is False:
        raise DataError(
            f'{path}: this is JSON, and the refs file of RefCOCO is a pickle. For gRefCOCO set '
            "type='GeneralizedReferringDataset'; for own data in JSON lines "
            "type='JsonLinesReferringDataset'; refs of RefCOCO that were saved as JSON must be "
            "written again by pickle.dump(refs, open('refs(unc).p', 'wb'), protocol=2)."
        )
    return content


def _in_split(stated: str, split: str) -> bool:
    if stated.startswith('test') and split in ('testA', 'testB', 'testC'):
        return split[-1] in stated[4:]
    return stated == split


def means_nothing(sentence: Any) -> bool:
    """Whether a sentence says that what it means does not exist (R-RefCOCO: `exist`, 0 or 1)."""
    return isinstance(sentence, dict) and sentence.get('exist', True) in (False, 0)


def means_several(ref: Any) -> bool:
    """Whether a ref is of gRefCOCO or its kin: it, or a sentence of it, may mean nothing."""
    if not isinstance(ref, dict):
        return False
    sentences = ref.get('sentences')
    return (
        isinstance(ref.get('ann_id'), list)
        or ref.get('source') == ZERO
        or any(map(means_nothing, sentences if isinstance(sentences, list) else ()))
    )


def _targets(ref: dict, where: str, generalized: bool) -> int | list[int]:
    """Return the annotation id of a ref of RefCOCO; a list for gRefCOCO, empty for no target."""
    ids = ref.get('ann_id')
    if not generalized:
        if isinstance(ids, list):
            raise DataError(
                f'{where}: field "ann_id" must be int, found list, as in gRefCOCO. Set '
                "type='GeneralizedReferringDataset', or choose another refs file."
            )
        if means_several(ref):
            raise DataError(
                f'{where} means nothing, or one of its sentences does, as in Ref-ZOM and '
                "R-RefCOCO. Set type='GeneralizedReferringDataset', or choose another refs file."
            )
        check_fields(ref, dict(ann_id=int), where)
        return ids
    if ref.get('source') == ZERO:
        return []
    ids = [ids] if type(ids) is int else ids
    if not isinstance(ids, list) or not ids:
        raise DataError(f'{where}: "ann_id" must be a list of whole numbers. Correct the file.')
    for one in ids:
        check_fields(dict(ann_id=one), dict(ann_id=int), where)
    targets = [] if ids == [NO_TARGET] else list(dict.fromkeys(ids))
    if NO_TARGET in targets or bool(ref.get('no_target', not targets)) != (not targets):
        raise DataError(
            f'{where}: ann_id {printable(repr(ids), 80)} and no_target='
            f'{printable(repr(ref.get("no_target")), 40)} contradict each other. Correct or '
            'download the file again.'
        )
    return targets


def _said(ref: dict, where: str, generalized: bool) -> list[dict]:
    """Return the sentences as dicts `raw, sent_id, kind`; gRefCOCO may have `sent` for `raw`."""
    if not ref['sentences']:
        raise DataError(f'{where} has no sentence. Correct or download the file again.')
    said: dict[int, dict] = {}
    for sentence in ref['sentences']:
        if generalized and isinstance(sentence, dict) and 'raw' not in sentence:
            sentence = {**sentence, 'raw': sentence.get('sent')}
        check_fields(sentence, dict(raw=str, sent_id=int), f'{where}, sentence')
        sent_id, kind = sentence['sent_id'], sentence.get('kind')
        if sent_id in said:
            raise DataError(
                f'{where} has sentence {sent_id} twice. Correct or download the file again.'
            )
        check_kind(kind, f'{where}, sentence {sent_id}: field "kind"')
        said[sent_id] = dict(raw=sentence['raw'], sent_id=sent_id, kind=kind)
        if means_nothing(sentence):
            said[sent_id].update(no_target=True, kind=kind or KINDS[0])
    return list(said.values())
