# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Masks of a model of the Hugging Face hub, for ``magnet-mm score``."""

import torch
from PIL import Image
from transformers import AutoProcessor, CLIPSegForImageSegmentation

from magnet_mm.evaluation import encode_mask
from magnet_mm.json_lines import write_lines
from magnet_mm.scoring import Benchmark

NAME = 'CIDAS/clipseg-rd64-refined'


def masks(benchmark, processor, model):
    """Yield a line per sentence: its mask at the size of the image."""
    for item in benchmark.items.values():
        image = Image.open(item.img_path).convert('RGB')
        inputs = processor(text=[item.expression], images=[image], return_tensors='pt')
        with torch.no_grad():
            logits = model(**inputs).logits.reshape(1, 1, *inputs['pixel_values'].shape[-2:])
        logits = torch.nn.functional.interpolate(logits, item.size, mode='bilinear')[0, 0]
        yield dict(ref_id=item.ref_id, sent_id=item.sent_id, **encode_mask((logits > 0).numpy()))


if __name__ == '__main__':
    model = CLIPSegForImageSegmentation.from_pretrained(NAME).eval()
    benchmark = Benchmark('data/refer', 'refcoco', 'val')
    write_lines('clipseg.jsonl', masks(benchmark, AutoProcessor.from_pretrained(NAME), model))
