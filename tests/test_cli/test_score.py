# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""``magnet-mm score``: what it prints, what it writes, and what it will not compare."""

from __future__ import annotations

import csv

import pytest
from refcoco_root import mmseg_scope, write_data  # noqa: F401
from scored_masks import MASKS, box

from magnet_mm.cli import main
from magnet_mm.evaluation import encode_mask
from magnet_mm.evaluation.score_record import read_record
from magnet_mm.json_lines import write_lines


@pytest.fixture
def score(write_data, tmp_path):  # noqa: F811
    """Call it with masks by run and options; returns exit code and the folder of the results."""
    write_data()

    def run(*runs, **options):
        paths = []
        for name, masks in zip('ab', runs, strict=False):
            lines = [dict(ref_id=r, sent_id=s, **encode_mask(m)) for (r, s), m in masks.items()]
            paths.append(str(tmp_path / f'model_{name}.jsonl'))
            write_lines(paths[-1], lines)
        words = [word for key, value in options.items() for word in (f'--{key}', *value.split())]
        data = ['--data', str(tmp_path), '--dataset', 'refcoco']
        return main(['score', *paths, *data, *words]), tmp_path / 'model_a.scores'

    return run


def test_one_file(score, capsys):
    code, out = score(MASKS, **{'trained-on': 'refcoco,coco2017', 'per': 'reference'})
    printed = capsys.readouterr().out
    assert code == 0
    assert 'refcoco val: 4 sentences, 3 references, 2 images (instances.json ' in printed
    assert 'model_a.jsonl, masks at original resolution' in printed
    assert 'At original resolution, per sentence:' in printed
    assert 'At input resolution (480 x 480), per sentence, masks resized afterwards:' in printed
    assert 'per reference (the first sentence of each: another benchmark)' in printed
    assert '1 of 2' in printed and 'not checked: there is no annotations/' in printed

    record = read_record(out / 'scores.json')
    parts = [
        (one['part'], one['items'], one['scores']['oIoU'])
        for one in record['evaluations']
        if (one['protocol']['resolution'], one['protocol']['per']) == ('original', 'sentence')
    ]
    assert parts == [('all', 4, 100 * 114 / 238), ('clean', 3, 100 * 114 / 164), ('seen', 1, 0.0)]
    assert record['contamination']['seen_sentences'] == 1
    assert len(record['model']['predictions'][0]['sha256']) == 64
    assert record['versions']['torch']

    with open(out / 'scores.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['score'] == 'mIoU']
    assert float(rows[3]['value']) == 50 and rows[3]['resolution'] == 'original'
    latex = (out / 'scores.tex').read_text()
    assert '% refcoco val, at original resolution, per sentence: oIoU & mIoU & P@0.5' in latex
    row = r'model\_a & 47.90 & 50.00 & 75.00 & 25.00 & 25.00 & 25.00 & 25.00 \\'
    assert row in latex.splitlines()


def test_two_files(score, capsys):
    better = {**MASKS, (4, 41): box(5, 6, 8, 8)}
    code, out = score(MASKS, better, resolution='original')
    assert code == 0
    assert 'B - A' in capsys.readouterr().out
    first, second, difference = read_record(out / 'scores.json')['evaluations']
    assert (first['run'], second['run'], difference['run']) == ('A', 'B', 'B - A')
    assert difference['scores']['mIoU'] == pytest.approx(12.5)
    low, high = difference['intervals']['mIoU']
    assert low == 0 and high > 12.5
    assert difference['p']['mIoU'] == pytest.approx(1, abs=0.02)  # one image of two changed


def test_two_protocols_are_not_compared(score, capsys):
    doubled = {key: mask.repeat(2, 0).repeat(2, 1) for key, mask in MASKS.items()}
    code, out = score(MASKS, doubled, resolution='original')
    assert code == 1 and not out.exists()
    message = capsys.readouterr().err
    assert 'not scored by one protocol' in message
    assert 'masks is "as predicted" in A and "resized afterwards" in B' in message


def test_mistakes_are_sentences(score, capsys):
    assert score(dict(list(MASKS.items())[:2]))[0] == 1
    message = capsys.readouterr().err
    assert '2 missing: ref_id 5, sent_id 50; ref_id 6, sent_id 60' in message
    with pytest.raises(SystemExit):
        score(MASKS, rule='magnet')
