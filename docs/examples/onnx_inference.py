"""Referring segmentation with an exported model: numpy, onnxruntime, tokenizers and Pillow alone.

    python docs/examples/onnx_inference.py model.onnx image.jpg "the red circle" --out mask.png

``model.onnx``, ``model.onnx.json`` and ``model.onnx.tokenizer.json`` are written by
``tools/export.py``. Neither torch nor magnet_mm is needed to run them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer


class OnnxReferringSegmentor:
    """An exported model with its preprocessing; call it with one image and some sentences."""

    def __init__(self, model: Path) -> None:
        self.about = json.loads(Path(f'{model}.json').read_text(encoding='utf-8'))
        self.session = onnxruntime.InferenceSession(
            str(model), providers=onnxruntime.get_available_providers()
        )
        self.tokenizer = Tokenizer.from_file(str(model.parent / self.about['tokenizer_file']))

    def __call__(self, image: Image.Image, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Masks, bool ``[N, H, W]`` at the image's size, and scores ``[N]`` in 0..1."""
        size = (self.about['width'], self.about['height'])
        pixels = np.asarray(image.convert('RGB').resize(size, Image.Resampling.BILINEAR))
        if self.about['colour_order'] == 'BGR':
            pixels = pixels[..., ::-1]
        pixels = (pixels - np.float32(self.about['mean'])) / np.float32(self.about['std'])
        encoded = self.tokenizer.encode_batch(sentences)
        (logits,) = self.session.run(
            ['logits'],
            {
                'images': np.repeat(pixels.transpose(2, 0, 1)[None], len(sentences), axis=0),
                'input_ids': np.array([sentence.ids for sentence in encoded]),
                'attention_mask': np.array([sentence.attention_mask for sentence in encoded]),
            },
        )
        foreground = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        foreground = upsample(foreground, size[1], size[0])
        masks = foreground > self.about['threshold']
        probability = 1 / (1 + np.exp(-foreground))
        scores = [p[m].mean() if m.any() else 0.0 for p, m in zip(probability, masks, strict=True)]
        full_size = [Image.fromarray(mask).resize(image.size, Image.NEAREST) for mask in masks]
        return np.stack([np.asarray(mask) for mask in full_size]), np.array(scores)


def upsample(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear with aligned corners, ``[N, h, w]`` to ``[N, height, width]``."""
    rows = linear_weights(maps.shape[1], height)
    columns = linear_weights(maps.shape[2], width)
    return rows @ maps @ columns.T


def linear_weights(size: int, wanted: int) -> np.ndarray:
    """Matrix ``[wanted, size]`` of linear interpolation between the first and the last cell."""
    positions = np.linspace(0, size - 1, wanted)
    return np.maximum(0, 1 - np.abs(positions[:, None] - np.arange(size))).astype(np.float32)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='.onnx file of tools/export.py')
    parser.add_argument('image', type=Path)
    parser.add_argument('sentence')
    parser.add_argument('--out', type=Path, default=Path('mask.png'), help='PNG, 255 = object')
    args = parser.parse_args()
    masks, scores = OnnxReferringSegmentor(args.model)(Image.open(args.image), [args.sentence])
    Image.fromarray(masks[0].astype(np.uint8) * 255).save(args.out)
    print(f'{args.out}: {masks[0].mean():.1%} of the image, score {scores[0]:.2f}')


if __name__ == '__main__':
    main()
