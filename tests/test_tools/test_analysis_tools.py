# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""tools/analysis_tools: pictures of predictions and of training curves, from the command line."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest

from magnet_mm.evaluation import encode_mask, write_items
from magnet_mm.visualization import contact_sheet, draw_panels

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'
SIZES = ((40, 60), (50, 30))  # height, width of the two images
IOUS = {100: 0.5, 101: 0.25, 102: 1.0, 103: 0.0}
SENTENCES = {100: 'the left one', 101: 'red', 102: 'the right one', 103: 'blue'}


def load_tool(name):
    spec = importlib.util.spec_from_file_location(f'analysis_{name}', TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def refer(tmp_path):
    """Two images, one ref with two sentences on each, in the refer layout, and a config."""
    folder = tmp_path / 'data' / 'tiny'
    folder.mkdir(parents=True)
    images, annotations, refs = [], [], []
    for i, (height, width) in enumerate(SIZES):
        images.append(dict(id=i, file_name=f'{i}.png', height=height, width=width))
        pixels = np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)
        mmcv.imwrite(pixels, str(tmp_path / 'data' / 'images' / f'{i}.png'))
        annotations.append(
            dict(
                id=10 + i,
                image_id=i,
                category_id=1,
                bbox=[0, 0, 10, 20],
                area=200,
                iscrowd=0,
                segmentation=[[0, 0, 10, 0, 10, 20, 0, 20]],
            )
        )
        sent_ids = [100 + 2 * i, 101 + 2 * i]
        sentences = [
            dict(raw=SENTENCES[s], sent=SENTENCES[s], sent_id=s, tokens=SENTENCES[s].split())
            for s in sent_ids
        ]
        refs.append(
            dict(ref_id=5 + i, ann_id=10 + i, category_id=1, image_id=i, file_name="x_10.jpg",
                 split="val", sent_ids=sent_ids, sentences=sentences)
        )  # fmt: skip
    categories = [dict(id=1, name='shape', supercategory='shape')]
    (folder / 'instances.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=categories))
    )
    (folder / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))
    config = tmp_path / 'config.py'
    # The pipeline's tokenizer does not exist: drawing must not need it.
    dataset = dict(
        type='ReferringDataset',
        data_root=str(tmp_path / 'data'),
        ann_file='tiny/instances.json',
        refs_file='tiny/refs(unc).p',
        split='testA',
        data_prefix=dict(img_path='images'),
        test_mode=True,
        pipeline=[dict(type='TokenizeExpression', tokenizer='/nowhere')],
    )
    config.write_text(
        f"default_scope = 'mmseg'\ntest_dataloader = dict(batch_size=1, dataset={dataset!r})\n"
    )
    return tmp_path


def make_items(path, **changes):
    prediction = np.zeros((24, 24), dtype=np.uint8)
    prediction[:12] = 1
    items = [
        dict(dataset_name="tiny", split="val", ref_id=5 + (sent_id - 100) // 2, sent_id=sent_id,
             expression=SENTENCES[sent_id], kind=None, intersection=int(4 * iou), union=4, iou=iou,
             prediction=encode_mask(prediction)) | changes
        for sent_id, iou in IOUS.items()
    ]  # fmt: skip
    write_items(path, items)
    return items, prediction


@pytest.mark.parametrize(
    ('select', 'expected'),
    [('first', [100, 101, 102]), ('worst', [103, 101, 100]), ('best', [102, 100, 101])],
)
def test_draw_predictions(refer, select, expected, capsys):
    _, prediction = make_items(refer / 'items.jsonl')
    load_tool("draw_predictions").main(
        [str(refer / "config.py"), str(refer / "items.jsonl"), "--split", "val", "--num", "3",
         "--out-dir", str(refer / "out"), "--select", select]
    )  # fmt: skip
    names = [f'{i:03d}_ref{5 + (s - 100) // 2}_sent{s}.png' for i, s in enumerate(expected)]
    out = refer / 'out'
    assert sorted(path.name for path in out.iterdir()) == [*names, 'contact_sheet.png']
    pictures = []
    for sent_id in expected:
        i = (sent_id - 100) // 2
        truth = np.zeros(SIZES[i], dtype=np.uint8)
        truth[:20, :10] = 1
        image = mmcv.imread(str(refer / 'data' / 'images' / f'{i}.png'), channel_order='rgb')
        pictures.append(
            draw_panels(image, SENTENCES[sent_id], truth, prediction, iou=IOUS[sent_id])
        )
    for name, picture in zip([*names, "contact_sheet.png"],
                             [*pictures, contact_sheet(pictures)], strict=True):  # fmt: skip
        assert (mmcv.imread(str(out / name), channel_order='rgb') == picture).all()
    assert '3 pictures and' in capsys.readouterr().out


def test_random_selection_is_seeded_and_bounded():
    select_items = load_tool('draw_predictions').select_items
    items = [
        dict(dataset_name='tiny', split='val', ref_id=1, sent_id=i, iou=0.5) for i in range(50)
    ]
    chosen = [item['sent_id'] for item in select_items(items, 'random', 12, seed=3)]
    assert len(set(chosen)) == 12
    assert chosen != sorted(chosen)
    assert chosen == [item['sent_id'] for item in select_items(items[::-1], 'random', 12, seed=3)]
    assert chosen != [item['sent_id'] for item in select_items(items, 'random', 12, seed=4)]
    assert len(select_items(items, 'random', 99)) == 50


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'expression': 'green'}, "ref_id 5, sent_id 100 says 'green' .* and 'the left one'"),
        ({'ref_id': 77}, 'ref_id 77, sent_id 100, which the dataset does not'),
        ({'prediction': {'size': [2, 2]}}, 'not a COCO compressed RLE'),
    ],
)
def test_draw_predictions_of_another_dataset(refer, changes, message):
    make_items(refer / 'items.jsonl', **changes)
    with pytest.raises(SystemExit, match=message):
        load_tool("draw_predictions").main(
            [str(refer / "config.py"), str(refer / "items.jsonl"), "--split", "val", "--out-dir",
             str(refer / "out")]
        )  # fmt: skip


def test_draw_predictions_of_a_control(refer):
    items, _ = make_items(refer / 'items.jsonl', split='val_blank', expression='')
    load_tool("draw_predictions").main(
        [str(refer / "config.py"), str(refer / "items.jsonl"), "--split", "val_blank", "--out-dir",
         str(refer / "out")]
    )  # fmt: skip
    assert len(list((refer / 'out').iterdir())) == len(items) + 1


def test_plot_curves(tmp_path, capsys):
    run = tmp_path / '20260101_000000' / 'vis_data'
    run.mkdir(parents=True)
    record = dict(lr=1e-4, loss=2.0, epoch=1, iter=10, step=10)
    (run / 'scalars.json').write_text(json.dumps(record) + '\n' + json.dumps(dict(oIoU=5, step=1)))
    plot = load_tool('plot_curves')
    plot.main([str(tmp_path)])
    plot.main([str(tmp_path), '--out', str(tmp_path / 'other.png')])
    assert cv2.imread(str(tmp_path / 'curves.png')).shape == (900, 1500, 3)
    assert (tmp_path / 'other.png').read_bytes() == (tmp_path / 'curves.png').read_bytes()
    assert str(tmp_path / 'other.png') in capsys.readouterr().out
    with pytest.raises(SystemExit, match='plot_curves: no training log'):
        plot.main([str(tmp_path / 'nowhere')])
