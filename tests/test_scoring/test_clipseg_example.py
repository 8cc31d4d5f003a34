# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""docs/examples/score_clipseg.py with a tiny random CLIPSeg: its file is scored."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from magnet_mm.json_lines import write_lines
from magnet_mm.scoring import Referee, Submission

EXAMPLE = Path(__file__).resolve().parents[2] / 'docs/examples/score_clipseg.py'
_LAYERS = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2)


def test_the_example(benchmark, root):
    config = CLIPSegConfig(
        text_config=dict(_LAYERS, vocab_size=100, max_position_embeddings=8, eos_token_id=99),
        vision_config=dict(_LAYERS, image_size=32, patch_size=8),
        projection_dim=16,
        reduce_dim=16,
        extract_layers=[0, 1],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
    )
    model = CLIPSegForImageSegmentation(config).eval()
    asked = []

    def processor(text, images, return_tensors):
        assert return_tensors == 'pt' and images[0].size == (40, 30)
        asked.extend(text)
        return dict(
            input_ids=torch.tensor([[1, len(asked), 99]]),
            attention_mask=torch.ones(1, 3, dtype=torch.int64),
            pixel_values=torch.randn(1, 3, 32, 32),
        )

    path = root / 'clipseg.jsonl'
    masks = runpy.run_path(str(EXAMPLE))['masks']
    write_lines(path, masks(benchmark, processor, model))
    assert asked == ['lower box', 'box below', 'upper box', 'corner']
    (evaluation,) = Referee(benchmark, ['original']).evaluate(Submission(path, benchmark))
    assert [item['sent_id'] for item in evaluation.items] == [40, 41, 50, 60]
    assert 0 <= evaluation.scores['mIoU'] <= 100
