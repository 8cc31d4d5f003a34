# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""tools/analysis_tools/report.py: numbers, pictures, hostile sentences, two runs."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
from browser import launch

from magnet_mm.analysis.html_report import Run, write_report
from magnet_mm.analysis.item_source import ItemSource
from magnet_mm.errors import DataError
from magnet_mm.evaluation import encode_mask, score_items, write_items

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'report.py'
HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
TERMINAL = 'left \x1b[31mred\x1b]0;owned\x07 \u202eball'
SENTENCES = ('the left ball', HOSTILE, TERMINAL, 'ball & "chain" above the box', 'blue', 'big one')
KINDS = ('place', 'other', 'place', None, None, 'place')
IOUS = (1.0, 0.5, 0.25, 0.0, 0.75, 0.5)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Three images of 40 x 60 pixels with one ref of two sentences each; its config."""
    root = tmp_path_factory.mktemp('refer')
    images, annotations, refs = [], [], []
    for i in range(3):
        images.append(dict(id=i, file_name=f'{i}.png', height=40, width=60))
        pixels = np.random.default_rng(i).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        mmcv.imwrite(pixels, str(root / 'images' / f'{i}.png'))
        box = [0, 0, 12, 0, 12, 10, 0, 10]  # 120 of 2400 pixels: 5 %
        annotations.append(dict(id=i, image_id=i, category_id=1, segmentation=[box]))
        sentences = [
            dict(raw=SENTENCES[s], sent=SENTENCES[s], sent_id=s, tokens=[], kind=KINDS[s])
            for s in (2 * i, 2 * i + 1)
        ]
        refs.append(
            dict(ref_id=i, ann_id=i, category_id=1, image_id=i, file_name='x', split='val',
                 sent_ids=[2 * i, 2 * i + 1], sentences=sentences)
        )  # fmt: skip
    (root / 'd').mkdir()
    (root / 'd' / 'instances.json').write_text(
        json.dumps(dict(images=images, annotations=annotations, categories=[dict(id=1, name='x')]))
    )
    (root / 'd' / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))
    dataset = dict(
        type='ReferringDataset',
        data_root=str(root),
        ann_file='d/instances.json',
        refs_file='d/refs(unc).p',
        split='testA',
        data_prefix=dict(img_path='images'),
        test_mode=True,
        pipeline=[dict(type='TokenizeExpression', tokenizer='/nowhere')],
    )
    config = root / 'config.py'
    config.write_text(f'test_dataloader = dict(batch_size=1, dataset={dataset!r})\n')
    return config


def make_items(ious=IOUS, expressions=SENTENCES, split='val'):
    mask = np.zeros((24, 24), dtype=np.uint8)
    mask[:12] = 1
    return [
        dict(dataset_name='d', split=split, ref_id=s // 2, sent_id=s, expression=expressions[s],
             kind=KINDS[s], intersection=int(400 * iou), union=400, iou=iou,
             prediction=encode_mask(mask))
        for s, iou in enumerate(ious)
    ]  # fmt: skip


class Page(HTMLParser):
    """Tags, texts of the headings of cards, and picture addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.headings, self._inside = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ('src', 'href')]
        if tag in ('h3', 'h2'):
            self._inside = ''

    def handle_data(self, data):
        if self._inside is not None:
            self._inside += data

    def handle_endtag(self, tag):
        if tag in ('h3', 'h2') and self._inside is not None:
            self.headings.append(' '.join(self._inside.split()))
            self._inside = None


@pytest.fixture(scope='module')
def report(data, tmp_path_factory):
    """A report of one run: page text and numbers."""
    source = ItemSource(data, 'val')
    out = tmp_path_factory.mktemp('report')
    page = write_report(out, source, Run('<i>run</i>', make_items()), shown=2)
    return page, page.read_text(encoding='utf-8'), json.loads((out / 'report.json').read_text())


def test_scores_are_those_of_the_metric(report):
    _, text, numbers = report
    expected = score_items(make_items())
    for row in numbers['scores']:
        (run,) = row['runs']
        assert run['value'] == pytest.approx(expected[row['name']])
        assert run['low'] <= run['value'] <= run['high']
        assert f'<td>{row["name"]}</td>\n<td>{run["value"]:.2f}</td>' in text
    assert (numbers['count'], numbers['images']) == (6, 3)


def test_boundary_iou_where_it_was_scored(report, data, tmp_path):
    assert 'Boundary IoU' not in [row['name'] for row in report[2]['scores']]
    items = [dict(item, boundary_intersection=1, boundary_union=4) for item in make_items()]
    write_report(tmp_path, ItemSource(data, 'val'), Run('a', items), shown=1)
    row = json.loads((tmp_path / 'report.json').read_text())['scores'][-1]
    assert row['name'] == 'Boundary IoU' and row['runs'][0]['value'] == 25


def test_groups(report):
    _, _, numbers = report
    groups = {
        title: {bar['name']: (bar['count'], bar['score']) for bar in runs[0]}
        for title, runs in numbers['groups'].items()
    }
    lengths = groups['Sentence length (words)']
    assert lengths['1'] == (1, 75.0)
    assert sum(count for count, _ in lengths.values()) == 6
    assert groups['Object size (share of the image, %)'] == {'5 to 10': (6, pytest.approx(50.0))}
    assert groups['Kind of sentence']['place'] == (3, pytest.approx(100 * 1.75 / 3))
    words = groups['Position words (in the sentence)']
    assert words['left'] == (2, 62.5)
    assert words['above'] == (1, 0.0)
    assert words['none of these'][0] == 3


def test_shows_the_worst_and_best_items(report):
    _, text, _ = report
    headings = Page(text).headings
    quoted = [heading.strip('\u201c\u201d') for heading in headings if heading[0] == '\u201c']
    assert quoted[0] == SENTENCES[3]
    assert quoted[2:] == [SENTENCES[0], SENTENCES[4]]
    assert headings.index('The 2 worst items') < headings.index('The 2 best items')


def test_pictures_are_inside_and_right(report):
    _, text, _ = report
    sources = [source for source in Page(text).sources if source.startswith('data:')]
    assert len(sources) == 4 * 3
    pictures = [
        cv2.imdecode(np.frombuffer(base64.b64decode(s.split(',')[1]), np.uint8), cv2.IMREAD_COLOR)
        for s in sources[:3]
    ]
    assert {picture.shape for picture in pictures} == {(213, 320, 3)}
    _, truth, prediction = (picture.astype(int) for picture in pictures)
    # inside the object of 12 x 10 pixels green is added, in the upper half vermilion
    assert (truth[10:40, 10:50, 1] - truth[10:40, 10:50, 2]).mean() > 20
    assert (prediction[10:90, 70:300, 2] - prediction[10:90, 70:300, 0]).mean() > 20
    assert abs(prediction[120:, :, 2] - prediction[120:, :, 0]).mean() < 60


def test_nothing_in_a_sentence_acts(report):
    _, text, _ = report
    page = Page(text)
    assert 'script' not in page.tags and 'i' not in page.tags and 'b' not in page.tags
    assert all(source.startswith(('data:image/jpeg;base64,', '#')) for source in page.sources)
    assert "default-src 'none'" in text
    assert not re.search('[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]', text)
    assert html.escape('<i>run</i>') in text
    assert 'http' not in re.sub(r'http-equiv|xmlns(:xlink)?="http[^"]*"', '', text)


def test_two_runs(data, tmp_path):
    first, second = make_items(), make_items(ious=(1.0, 0.75, 0.25, 0.5, 0.25, 0.5))
    extra = dict(second[0], ref_id=7, sent_id=70)
    source = ItemSource(data, 'val')
    page = write_report(tmp_path, source, Run('a', first), Run('b', [extra, *second[::-1]]), 5)
    numbers = json.loads((tmp_path / 'report.json').read_text())
    assert numbers['pairs'] == dict(
        better=2, worse=1, equal=3, much_better=2, much_worse=1, only_first=0, only_second=1,
        other_sentences=0,
    )  # fmt: skip
    overall = numbers['scores'][0]
    assert [run['value'] for run in overall['runs']] == [50.0, pytest.approx(325 / 6)]
    assert overall['difference']['value'] == pytest.approx(25 / 6)
    assert overall['difference']['low'] < 0 < overall['difference']['high']
    text = page.read_text(encoding='utf-8')
    headings = Page(text).headings
    assert 'The 2 items that became better' in headings
    assert 'The 1 items that became worse' in headings
    assert '0 items of A, 1 of B' in text


def test_command_line(data, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location('report_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    dump = tmp_path / 'items.jsonl'
    write_items(dump, make_items())
    tool.main([str(dump), '--config', str(data), '--out', str(tmp_path / 'out'), '--number', '1'])
    assert f'report: {tmp_path / "out" / "report.html"}' in capsys.readouterr().out
    assert (tmp_path / 'out' / 'report.html').stat().st_size > 10_000

    changed = make_items(expressions=(*SENTENCES[:2], 'other \x1b[2J', *SENTENCES[3:]))
    write_items(dump, changed)
    with pytest.raises(SystemExit, match='in the dataset: give the config') as error:
        tool.main([str(dump), '--config', str(data), '--out', str(tmp_path / 'out')])
    assert '\x1b' not in str(error.value)
    with pytest.raises(SystemExit, match='There is no config file'):
        tool.main([str(dump), '--config', '/nowhere.py', '--out', str(tmp_path / 'out')])


def test_items_of_another_dataset_are_refused(data, tmp_path):
    items = [dict(item, ref_id=99) for item in make_items()]
    with pytest.raises(DataError, match='which the dataset does not'):
        write_report(tmp_path, ItemSource(data, 'val'), Run('a', items))


def test_damaged_prediction_is_named(data, tmp_path):
    items = make_items()
    items[2]['prediction'] = dict(size='huge', counts='')
    with pytest.raises(DataError, match="sent_id 2 has no size .* but 'huge'"):
        write_report(tmp_path, ItemSource(data, 'val'), Run('a', items))


@pytest.mark.slow
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_in_a_browser(report, scheme):
    """Chromium runs no script of a sentence, loads every picture and contacts nobody."""
    page_file, _, _ = report
    with launch() as browser:
        page = browser.new_page(color_scheme=scheme)
        contacted = []
        page.on('request', lambda request: contacted.append(request.url))
        page.goto(page_file.as_uri())
        assert page.title() == 'd, val: report of magnet_mm'
        assert [url for url in contacted if not url.startswith('data:')] == [page_file.as_uri()]
        widths = page.evaluate('[...document.images].map(i => i.complete && i.naturalWidth)')
        assert widths == [320] * 12
        ink, paper = page.evaluate(
            """['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])"""
        )
        axis = page.evaluate("getComputedStyle(document.querySelector('.chart svg text')).fill")
        assert axis == ink  # diagrams take the colour of the page
        brightness = [sum(map(int, re.findall(r'\d+', color)[:3])) for color in (ink, paper)]
        assert (brightness[0] < brightness[1]) == (scheme == 'light')
        assert page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
