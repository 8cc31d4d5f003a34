# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""MDETR's `finetune_*.json`: a sentence an image entry, boxes only; COCO has the masks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from magnet_mm.data_tools.preparing.naming import (
    dataset_by_content,
    dataset_of,
    usual_division,
)
from magnet_mm.data_tools.preparing.original_files import coco_content, source_paths
from magnet_mm.data_tools.preparing.prepared import Dropped, Prepared
from magnet_mm.data_tools.preparing.refer_builder import ReferBuilder
from magnet_mm.data_tools.preparing.source_files import SourceFile
from magnet_mm.errors import DataError

_SPLIT = re.compile(r'(?<![A-Za-z])(train|val|testA|testB|test)(?![A-Za-z])')
#: In this order refs are numbered.
_ORDER = ('train', 'val', 'testA', 'testB', 'test')


def prepare_mdetr(
    files: Sequence[SourceFile], coco_files: Sequence[SourceFile], dataset: str | None
) -> Iterator[Prepared]:
    """Join sentences with COCO's annotations; a ref is all sentences about one annotation.

    That is what the refs of RefCOCO, RefCOCO+ (unc) and G-Ref (umd) are, where no two share an
    annotation; their ids are not in the file, so they are numbered anew.

    Raises:
        DataError: No COCO file has the annotations, or nothing tells data set or split.
    """
    by_dataset: dict[str, list[tuple[str, SourceFile, dict]]] = defaultdict(list)
    for file in files:
        content = coco_content(file)
        found = _SPLIT.findall(file.name)
        if not found:
            raise DataError(f'{file}: its name has no split ({", ".join(_ORDER)}). Rename it.')
        named = content['images'][0].get('dataset_name') if content['images'] else None
        name = dataset or dataset_of([str(named), *file.parts])
        by_dataset[name or _by_captions(file, content, found[-1])].append(
            (found[-1], file, content)
        )
    wanted = {
        one.get('original_id')
        for entries in by_dataset.values()
        for *_, content in entries
        for one in content['annotations']
    }
    coco, coco_file = _coco_with(wanted, coco_files, files)
    for name, entries in by_dataset.items():
        entries.sort(key=lambda entry: _ORDER.index(entry[0]))
        dropped = Dropped()
        division = usual_division(name, {split for split, *_ in entries})
        builder = _join(f'refs({division}).p', entries, coco, dropped)
        yield Prepared(
            name,
            f"MDETR's JSON with the masks of {coco_file.name}",
            source_paths([*(file for _, file, _ in entries), coco_file]),
            lambda builder=builder: builder.contents(coco['categories']),
            dropped,
            ['MDETR has no ref ids: refs and sentences are numbered anew.'],
        )


def _by_captions(file: SourceFile, content: dict, split: str) -> str:
    said = [{'raw': str(image.get('caption'))} for image in content['images']]
    return dataset_by_content([{'split': split, 'sentences': said}], str(file))


def _coco_with(
    wanted: set, coco_files: Sequence[SourceFile], files: Sequence[SourceFile]
) -> tuple[dict, SourceFile]:
    """Return COCO's content by id, of the file that has the most of the wanted annotations."""
    best: tuple[int, dict, SourceFile] | None = None
    for file in sorted(coco_files, key=lambda one: 'instances_train2014' not in one.name):
        content = coco_content(file)
        found = {
            one['id']: one
            for one in content['annotations']
            if one.get('id') in wanted and 'segmentation' in one
        }
        if found and (best is None or len(found) > best[0]):
            images = {image['id']: image for image in content['images']}
            categories = content.get('categories', [])
            indexed = dict(annotations=found, images=images, categories=categories)
            best = len(found), indexed, file
        if best is not None and best[0] == len(wanted):
            break
    if best is None:
        raise DataError(
            f"{files[0]}: MDETR's files have boxes only. Give COCO's instances_train2014.json "
            '(in annotations_trainval2014.zip), which has the masks, as a further source.'
        )
    return best[1], best[2]


def _join(
    refs_name: str, entries: Sequence[tuple[str, SourceFile, dict]], coco: dict, dropped: Dropped
) -> ReferBuilder:
    builder, ref_id, sent_id = ReferBuilder(dropped), 0, 0
    for split, file, content in entries:
        targets = defaultdict(list)
        for annotation in content['annotations']:
            targets[annotation.get('image_id')].append(annotation.get('original_id'))
        said: dict[int, list[dict]] = defaultdict(list)
        for image in content['images']:
            example = f'{file.name}: image {image.get("id")}'
            ann_ids, text = targets[image.get('id')], image.get('caption')
            if len(ann_ids) != 1:
                dropped.add('sentences', 'not one annotation but none or several', example)
            elif ann_ids[0] not in coco['annotations']:
                dropped.add('sentences', 'the COCO file does not have the annotation', example)
            elif coco['annotations'][ann_ids[0]]['image_id'] != image.get('original_id'):
                dropped.add('sentences', "COCO's annotation is on another image", example)
            elif not isinstance(text, str):
                dropped.add('sentences', 'no caption', example)
            else:
                tokens = text.split()
                said[ann_ids[0]].append(
                    {'raw': text, 'sent': text, 'sent_id': sent_id, 'tokens': tokens}
                )
                sent_id += 1
        for ann_id, sentences in said.items():
            annotation = coco['annotations'][ann_id]
            image = coco['images'].get(annotation['image_id'], {})
            builder.add(
                refs_name,
                _ref(ref_id, split, annotation, image, sentences),
                annotation,
                image,
                f'{file}: annotation {ann_id}',
            )
            ref_id += 1
    return builder


def _ref(ref_id: int, split: str, annotation: dict, image: dict, sentences: list[dict]) -> dict:
    stem, dot, suffix = str(image.get('file_name')).rpartition('.')
    return {
        'ref_id': ref_id,
        'ann_id': annotation['id'],
        'category_id': annotation.get('category_id'),
        'image_id': annotation['image_id'],
        'file_name': f'{stem}_{annotation["id"]}{dot}{suffix}',
        'split': split,
        'sent_ids': [one['sent_id'] for one in sentences],
        'sentences': sentences,
    }
