# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""The hand-written RefCOCO root in every form in which people get the annotations.

Each function writes files and returns what a user would name as SOURCE. Schemas: docs/data.md;
the real files were not at hand.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from refcoco_root import HEIGHT, INSTANCES, NAMES, REFS, WIDTH

CATEGORIES = [dict(id=1, name='person', supercategory='person')]


def polygon_instances() -> dict[str, Any]:
    """The tiny `instances.json` with polygons alone, as COCO's train2014 has for these."""
    annotations = [
        dict(one, category_id=1, bbox=[0, 0, 9, 9], area=81.0, iscrowd=0)
        for one in INSTANCES['annotations']
    ]
    for one in annotations:
        if isinstance(one['segmentation'], dict):
            x = 5 if one['id'] == 21 else 20
            one['segmentation'] = [[x, 6, x + 8, 6, x + 8, 14, x, 14]]
    return dict(INSTANCES, annotations=annotations, categories=CATEGORIES)


def plain_refs() -> list[dict]:
    """The tiny refs with the fields of the published files alone."""
    fields = ('raw', 'sent', 'sent_id', 'tokens')
    return [
        dict(ref, sentences=[{name: said[name] for name in fields} for said in ref['sentences']])
        for ref in REFS
    ]


def refer_zip(folder: Path, name: str = 'refcoco', by: str = 'unc') -> Path:
    """An original archive: `refcoco/instances.json` and `refcoco/refs(unc).p`."""
    path = folder / f'{name}.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(f'{name}/instances.json', json.dumps(polygon_instances()))
        archive.writestr(f'{name}/refs({by}).p', pickle.dumps(plain_refs(), 0))
        archive.writestr(f'__MACOSX/{name}/._refs({by}).p', b'\0')
    return path


def hub_parquet(folder: Path, name: str = 'refcoco') -> Path:
    """A hub set of jxu124: a parquet file a split; hub split `test` is testA."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = polygon_instances()
    images = {one['id']: one for one in content['images']}
    annotations = {one['id']: one for one in content['annotations']}
    data = folder / name / 'data'
    data.mkdir(parents=True)
    files = dict(train='train', val='validation', testA='test', testB='testB')
    for split, file in files.items():
        rows = [
            dict(
                ref,
                raw_anns=json.dumps(annotations[ref['ann_id']]),
                raw_image_info=json.dumps(images[ref['image_id']]),
                raw_sentences=json.dumps(ref['sentences']),
                image_path=f'coco/train2014/{images[ref["image_id"]]["file_name"]}',
                bbox=[0.0, 0.0, 9.0, 9.0],
                captions=[said['sent'] for said in ref['sentences']],
                global_image_id=f'coco.{ref["image_id"]}',
                anns_id=f'coco.{ref["ann_id"]}',
            )
            for ref in plain_refs()
            if ref['split'] == split
        ]
        if rows:
            pq.write_table(pa.Table.from_pylist(rows), data / f'{file}-00000-of-00001.parquet')
    return folder / name


def benchmark_parquet(folder: Path) -> Path:
    """jxu124/refcoco-benchmark: nested columns, evaluation splits of all divisions."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = polygon_instances()
    images = {one['id']: one for one in content['images']}
    annotations = {one['id']: one for one in content['annotations']}
    folder.mkdir(parents=True, exist_ok=True)
    for name in ('refcoco_unc_val', 'refcocog_umd_val', 'refcocog_google_val'):
        rows = [
            dict(
                ref_info=ref,
                ann_info=annotations[ref['ann_id']],
                image_info=images[ref['image_id']],
            )
            for ref in plain_refs()
            if ref['split'] == 'val'
        ]
        path = folder / f'{name}-00000-of-00001.parquet'
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


def lossy_parquet(folder: Path) -> Path:
    """lmms-lab/RefCOCO: one flat list of coordinates a mask."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = dict(
        question_id='1',
        question='?',
        answer=['left'],
        segmentation=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        bbox=[0.0, 0.0, 9.0, 9.0],
        iscrowd=0,
        file_name='COCO_train2014_1_11.jpg',
    )
    path = folder / 'val-00000-of-00001.parquet'
    pq.write_table(pa.Table.from_pylist([row]), path)
    return path


def refcoco_m_parquet(folder: Path) -> Path:
    """moondream/refcoco-m: images with their samples."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sample = dict(
        id=31,
        image_id=3,
        category='person',
        supercategory='person',
        label='person',
        sentences=['corner', 'the corner'],
        bbox=[0.0, 0.0, 7.0, 7.0],
        mask=dict(counts=_corner_counts(), size=[HEIGHT, WIDTH]),
    )
    row = dict(
        image=dict(bytes=picture(3), path=NAMES[3]),
        image_id=3,
        file_name=NAMES[3],
        samples=[sample],
    )
    path = folder / 'refcoco-m' / 'validation-00000-of-00001.parquet'
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row]), path)
    return path


def mdetr_folder(folder: Path, name: str = 'refcoco') -> Path:
    """MDETR's `finetune_refcoco_<split>.json`, and COCO's `instances_train2014.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in ('train', 'val', 'testA'):
        images, annotations = [], []
        for ref in plain_refs():
            for said in ref['sentences'] if ref['split'] == split else ():
                number = len(images)
                images.append(
                    dict(
                        file_name=NAMES[ref['image_id']],
                        height=HEIGHT,
                        width=WIDTH,
                        id=number,
                        original_id=ref['image_id'],
                        caption=said['raw'],
                        dataset_name=name,
                        tokens_negative=[[0, len(said['raw'])]],
                    )
                )
                annotations.append(
                    dict(
                        area=81.0,
                        iscrowd=0,
                        image_id=number,
                        category_id=1,
                        id=number,
                        bbox=[0, 0, 9, 9],
                        original_id=ref['ann_id'],
                        tokens_positive=[[0, len(said['raw'])]],
                    )
                )
        content = dict(info={}, licenses=[], images=images, annotations=annotations, categories=[])
        (folder / f'finetune_{name}_{split}.json').write_text(json.dumps(content))
    (folder / 'instances_train2014.json').write_text(json.dumps(polygon_instances()))
    return folder


def grefcoco_folder(folder: Path) -> Path:
    """gRefCOCO: `grefs(unc).json` with several targets, none, and a ref without a sentence."""
    folder.mkdir(parents=True, exist_ok=True)
    refs = [dict(ref, ann_id=[ref['ann_id']], no_target=False) for ref in plain_refs()]
    refs[0].update(ann_id=[11, 12])
    refs[3].update(ann_id=[-1], no_target=True)
    refs[5].update(sentences=[], sent_ids=[])
    (folder / 'grefs(unc).json').write_text(json.dumps(refs))
    (folder / 'instances.json').write_text(json.dumps(polygon_instances()))
    return folder


def refsegrs_folder(folder: Path) -> Path:
    """RefSegRS: a line per image `<id> <phrase>`, images and masks named alike."""
    for name in ('images', 'masks'):
        (folder / name).mkdir(parents=True)
    splits = dict(train=('0', '1'), val=('2',), test=('3',))
    for split, stems in splits.items():
        lines = [f'{stem} vehicle in the parking area\n' for stem in stems]
        (folder / f'output_phrase_{split}.txt').write_text(''.join(lines))
        for stem in stems:
            Image.open(io.BytesIO(picture(int(stem)))).save(folder / 'images' / f'{stem}.tif')
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[4:9, 10:20] = 255
            Image.fromarray(mask).save(folder / 'masks' / f'{stem}.png')
    return folder


def phrasecut_folder(folder: Path) -> Path:
    """PhraseCut: `refer_<split>.json`; polygons are lists of points, by instance."""
    folder.mkdir(parents=True, exist_ok=True)
    square = [[2, 3], [12, 3], [12, 13], [2, 13]]
    other = [[20, 10.0], [30, 10], [30, 20], [20, 20]]
    for image_id, split in enumerate(('train', 'val', 'test', 'miniv'), start=1):
        rows = [
            dict(
                task_id=f'{image_id}__7',
                image_id=image_id,
                ann_ids=[7, 8],
                instance_boxes=[[2, 3, 10, 10], [20, 10, 10, 10]],
                Polygons=[[square, [[1, 1], [2, 2]]], [other]],
                phrase='two walking people',
                phrase_structure=dict(name='people', attributes=['walking'], type='attribute'),
            ),
            dict(
                task_id=f'{image_id}__9',
                image_id=image_id,
                Polygons=[[square]],
                phrase='wall',
                phrase_structure=None,
            ),
        ]
        (folder / f'refer_{split}.json').write_text(json.dumps(rows))
    return folder


def picture(seed: int) -> bytes:
    """A JPEG of the size that the annotations say."""
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, 'JPEG', quality=95)
    return file.getvalue()


def _corner_counts(height: int = HEIGHT) -> str:
    from pycocotools import mask as coco_mask

    mask = np.zeros((height, WIDTH), np.uint8, order='F')
    mask[:6, :7] = 1
    return coco_mask.encode(mask)['counts'].decode('ascii')


def write_refer_root(
    root: Path, name: str, refs: list[dict], images: str, instances: dict | None = None
) -> Path:
    """A data root with one data set in RefCOCO's files, and its images."""
    (root / name).mkdir(parents=True)
    by = 'final' if name == 'ref-zom' else 'unc'
    (root / name / f'refs({by}).p').write_bytes(pickle.dumps(refs, 2))
    content = polygon_instances() if instances is None else instances
    (root / name / 'instances.json').write_text(json.dumps(content))
    (root / images).mkdir(parents=True)
    for seed, file_name in NAMES.items():
        (root / images / file_name).write_bytes(picture(seed))
    return root


def _one_sentence_refs(**splits: str) -> list[dict]:
    """The tiny refs with one sentence each, and splits renamed."""
    return [
        dict(
            ref,
            sentences=ref['sentences'][:1],
            sent_ids=ref['sent_ids'][:1],
            split=splits.get(ref['split'], ref['split']),
        )
        for ref in plain_refs()
    ]


def rrsisd_root(root: Path) -> Path:
    """RRSIS-D: a list of RLE dicts a mask; one is a row less than its image."""
    content = polygon_instances()
    for one in content['annotations']:
        height = HEIGHT - (one['id'] == 21)
        one['segmentation'] = [dict(size=[height, WIDTH], counts=_corner_counts(height))]
    refs = _one_sentence_refs(testA='test')
    return write_refer_root(root, 'rrsisd', refs, 'images/rrsisd/JPEGImages', content)


def refclef_root(root: Path) -> Path:
    """RefCLEF: lists of RLE dicts, and a ref of two test sets."""
    content = polygon_instances()
    for one in content['annotations']:
        one['segmentation'] = [dict(size=[HEIGHT, WIDTH], counts=_corner_counts())]
    refs = _one_sentence_refs(testA='testAB')
    return write_refer_root(root, 'refclef', refs, 'images/saiapr_tc-12', content)


def ref_zom_root(root: Path) -> Path:
    """Ref-ZOM: `source` says how many objects are meant; `ann_id` a list of many."""
    refs = [dict(ref, source='one') for ref in _one_sentence_refs(val='test', testA='test')]
    refs[0].update(ann_id=[11, 12], source='many')
    refs[3].update(ann_id=[21, 22], source='many')
    refs[4].update(source='zero')  # its ann_id is there and means nothing
    refs[5].update(source='zero', ann_id=[])
    refs[7].update(source='zero', ann_id=[-1])
    return write_refer_root(root, 'ref-zom', refs, 'images/mscoco/images/trainval2014')


def rrefcoco_root(root: Path) -> Path:
    """R-RefCOCO: sentences with `exist`, beside those that mean the ref's object."""
    refs = plain_refs()
    for ref in refs:
        number = ref['ref_id'] * 10 + 9
        ref['sentences'].append(
            dict(raw='green dog', sent='green dog', sent_id=number, tokens=[], exist=False)
        )
        ref['sent_ids'].append(number)
    refs[0]['sentences'][0]['exist'] = True
    return write_refer_root(root, 'rrefcoco', refs, 'images/mscoco/images/train2014')
