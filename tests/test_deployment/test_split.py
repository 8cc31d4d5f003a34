# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""A model in two ONNX files: torch's logits, the example's masks, 8 bits."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from magnet_mm.apis import ReferringSegInferencer
from magnet_mm.deployment import export_split, largest_difference, load_network, quantize_int8
from magnet_mm.deployment.formats import load_onnx
from magnet_mm.deployment.metadata import METADATA_KEY, as_tuple
from magnet_mm.deployment.split import ImagePart, SentencePart, _stages_read
from magnet_mm.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / 'docs/examples'
# Methods that encode the image alone, and which of their maps the heads read.
STAGES = dict(
    caris=[0, 1, 2, 3],
    cmpc=[1, 2, 3],
    cris=[1, 2, 3],
    lscm=[0, 1, 2, 3],
    lts=[1, 2, 3],
    vlt=[1, 2, 3],
)


@pytest.mark.parametrize('method', STAGES)
def test_the_parts_are_the_whole_in_torch(method, small_config, save_checkpoint):
    """Five sentences of two images; maps that nothing reads are left out."""
    config = small_config(method)
    network = load_network(config, save_checkpoint(config))
    stages = _stages_read(network, network.example_inputs(2, (64, 64), 20))
    assert stages == STAGES[method]
    images, *text = network.example_inputs(5, (64, 64), 20, seed=1)
    image_of = torch.tensor([1, 0, 0, 1, 0])
    image, sentence = ImagePart(network, stages), SentencePart(network, stages)
    with torch.no_grad():
        logits = sentence(*image(images[:2]), image_of, *text)
        expected = network(images[image_of], *text)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_language_inside_the_image_encoder_is_refused(small_config, save_checkpoint, tmp_path):
    config = small_config('lavt')
    with pytest.raises(ConfigError, match='language enters the image encoder'):
        export_split(config, 'lavt.py', save_checkpoint(config), tmp_path / 'lavt.onnx')
    assert not list(tmp_path.glob('lavt*'))


@pytest.mark.faults  # writing ONNX takes half a minute and more each
@pytest.mark.parametrize('method', STAGES)
def test_two_files(method, small_config, save_checkpoint, tmp_path, monkeypatch):
    import onnx

    config = small_config(method)
    checkpoint = save_checkpoint(config)
    files = export_split(config, 'small.py', checkpoint, tmp_path / 'm.onnx')
    assert files.image.model.name == 'm.image.onnx' and files.sentence.tokenizer.is_file()
    assert largest_difference(files, files.load()) < 1e-3
    for part, path in files.description.parts.items():
        graph = onnx.load(str(tmp_path / path))
        inside = {entry.key: entry.value for entry in graph.metadata_props}[METADATA_KEY]
        about = json.loads(inside)
        assert about == json.loads((tmp_path / f'{path}.json').read_text())
        assert about['part'] == part
        assert list(about['inputs']) == [value.name for value in graph.graph.input]
    # fewer images than sentences
    network = files.network
    images, *text = network.example_inputs(5, (64, 64), files.description.max_tokens, seed=1)
    image_of = torch.tensor([1, 0, 0, 1, 0])
    maps = as_tuple(load_onnx(files.image.model)(images[:2]))
    answers = as_tuple(load_onnx(files.sentence.model)(*maps, image_of, *text))
    expected = as_tuple(network(images[image_of], *text))
    torch.testing.assert_close(answers, expected, rtol=0, atol=1e-3)

    monkeypatch.syspath_prepend(EXAMPLES)
    segmentor = runpy.run_path(str(EXAMPLES / 'onnx_many_sentences.py'))['OnnxSplitSegmentor'](
        files.image.model, batch_size=2
    )
    noise = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / 'noise.png')
    sentences = ['the red circle', 'small blue square on the left', 'circle']
    masks, scores = segmentor(Image.open(tmp_path / 'noise.png'), sentences)
    results = ReferringSegInferencer(config, checkpoint, 'cpu', False)(
        str(tmp_path / 'noise.png'), sentences
    )
    for mask, score, result in zip(masks, scores, results, strict=True):
        assert np.count_nonzero(mask != result.mask) <= 2
        assert abs(score - result.score) < 1e-3

    small = quantize_int8(files.sentence)
    assert small.name == 'm.sentence.int8.onnx'
    assert 'MatMulInteger' in {node.op_type for node in onnx.load(str(small)).graph.node}
    assert Path(f'{small}.json').read_text() == files.sentence.metadata.read_text()
    rounded = as_tuple(load_onnx(small)(*maps, image_of, *text))[0]
    scale = expected[0].std()
    assert 0 < (rounded - expected[0]).abs().mean() < 0.3 * scale
