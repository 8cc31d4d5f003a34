# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Images that must not be trained on, because a split of some file is tested on them.

Images are the same where they are the same file, links followed, or where they have the same id
within one image collection: an id says nothing between collections. A collection is what
`image_collection` declares, else the folder that holds all images of a data set.
"""

from __future__ import annotations

import functools
import os
import os.path as osp
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from mmengine.fileio import join_path
from mmengine.utils import is_abs

from magnet_mm.datasets.annotations.jsonl_annotations import read_jsonl
from magnet_mm.datasets.annotations.refer_pickle import read_bytes
from magnet_mm.datasets.annotations.refs_reader import read_refs, select_split
from magnet_mm.errors import ConfigError

ENTRY_KEYS = {'refs_file', 'splits', 'data_root', 'img_path', 'image_collection', 'trained'}


class HeldOutImages(NamedTuple):
    """Images by COCO id and by real path; `collection` is where the ids count (None: anywhere)."""

    ids: set[int]
    paths: set[str]
    collection: str | None


def check_entry(entry: dict) -> None:
    """Check the keys of an entry of `exclude`.

    Raises:
        ConfigError: `refs_file` is missing, or a key is unknown.
    """
    if 'refs_file' not in entry or set(entry) - ENTRY_KEYS:
        raise ConfigError(
            f'exclude: {dict(entry)} should have refs_file, and may have splits, data_root, '
            'img_path and image_collection, nothing else.'
        )


def join_root(root: str | None, path: str) -> str:
    """`path` under `root`, unless it is absolute or there is no root."""
    return path if is_abs(path) or not root else join_path(root, path)


def joined_entry(entry: dict, data_root: str | None, img_path: str) -> dict[str, Any]:
    """Return an entry of `exclude` with whole paths.

    Args:
        entry (dict): As in the config.
        data_root (str, optional): That of the dataset, where the entry names none.
        img_path (str): Whole path of the dataset's image folder, where the entry names none and
            its file is no JSON-lines file, whose image paths start at its own data root.
    """
    root = entry.get('data_root', data_root)
    own = entry.get('img_path')
    return dict(
        refs_file=join_root(root, entry['refs_file']),
        splits=entry.get('splits'),
        img_path=img_path if own is None else join_root(root, own),
        jsonl_img_path=join_root(root, own or ''),
        recognised=own is not None,
        image_collection=entry.get('image_collection'),
        trained=entry.get('trained', False),
    )


def held_out_images(
    refs_file: str,
    splits: Iterable[str] | None = None,
    img_path: str = '',
    jsonl_img_path: str = '',
    recognised: bool = False,
    image_collection: str | None = None,
    trained: bool = False,
) -> HeldOutImages:
    """Return the images that a file uses in the given splits.

    Args:
        refs_file (str): Refs file of RefCOCO or gRefCOCO, or JSON lines, told by the content.
        splits (Iterable[str], optional): Split names. Defaults to every split but `train`.
        img_path (str): Image folder of a refs file.
        jsonl_img_path (str): Image folder of JSON lines.
        recognised (bool): The ids count in the collection that the folder makes; else everywhere.
        image_collection (str, optional): The collection, where it is declared.
        trained (bool): JSON lines without splits are training data; else they are held out whole.

    Raises:
        DataError: The file cannot be read or has none of a named split.
    """
    if _is_json_lines(refs_file):
        records = read_jsonl(refs_file, osp.dirname(refs_file))
        paths = [osp.join(jsonl_img_path, record['file_name']) for record in records]
        folder = common_folder(paths)
        chosen = [
            (record['img_id'], path)
            for record, path in zip(records, paths, strict=True)
            if _held(record['split'], splits, trained)
        ]
    else:
        refs = read_refs(refs_file)
        if splits is None:
            refs = [ref for ref in refs if ref['split'] != 'train']
        else:
            refs = [ref for split in splits for ref in select_split(refs, split, refs_file)]
        folder = real_path(osp.join(img_path, ''))
        chosen = [(ref['image_id'], osp.join(img_path, _image_name(ref))) for ref in refs]
    return HeldOutImages(
        {number for number, _ in chosen if number >= 0},  # ours are negative: own numbering
        {real_path(path) for _, path in chosen},
        image_collection or (folder if recognised else None),
    )


def common_folder(paths: Iterable[str]) -> str:
    """Return the real folder that holds all of these images."""
    folders = {osp.dirname(real_path(path)) for path in paths}
    if any('://' in folder for folder in folders):
        return osp.commonprefix(sorted(folders))
    return osp.commonpath(folders)


def real_path(path: str) -> str:
    """Return the path with links of its folder followed; paths of other storage as they are."""
    folder, name = osp.split(path)
    return osp.join(_real_folder(folder), name)


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return folder if '://' in folder else osp.realpath(folder or os.curdir)


def _is_json_lines(path: str) -> bool:
    data = read_bytes(path)
    return data.removeprefix(b'\xef\xbb\xbf').lstrip()[:1] == b'{'


def _held(split: str | None, splits: Iterable[str] | None, trained: bool) -> bool:
    if split is None:
        return not trained
    return split != 'train' if splits is None else split in splits


def _image_name(ref: dict) -> str:
    """Return the image's name out of the mangled `<name>_<ann_id>.jpg` of a refs file."""
    name = ref.get('file_name')
    if not isinstance(name, str):
        return ''
    ids = ref['ann_id'] if isinstance(ref['ann_id'], list) else [ref['ann_id']]
    for ann_id in ids:
        name = re.sub(rf'_{ann_id}(\.\w+)$', r'\1', name)
    return osp.basename(name)
