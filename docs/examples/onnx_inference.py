"""Referring segmentation with an exported model: numpy, onnxruntime, tokenizers and Pillow alone.

    python docs/examples/onnx_inference.py model.onnx image.jpg "the red circle" --out mask.png

``model.onnx``, ``model.onnx.json`` and ``model.onnx.tokenizer.json`` are written by
``tools/export.py``. Neither torch nor magnet_mm is needed to run them. For many sentences of an
image, see onnx_many_sentences.py.
"""

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from tokenizers import Tokenizer

CV2_NAMES = dict(
    bilinear='INTER_LINEAR', bicubic='INTER_CUBIC', area='INTER_AREA', nearest='INTER_NEAREST'
)


class OnnxReferringSegmentor:
    """An exported model with its preprocessing; call it with one image and some sentences."""

    def __init__(self, model: Path) -> None:
        self.about = json.loads(Path(f'{model}.json').read_text(encoding='utf-8'))
        self.session = open_session(model)
        self.tokens = load_tokenizer(model.parent / self.about['tokenizer_file'])

    def __call__(
        self, image: Image.Image, sentences: list[str], **text: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks, bool ``[N, H, W]`` at the image's size, and scores ``[N]`` in 0..1.

        ``text`` is what else the model's inputs say of the sentences (``text_graph`` of LSCM).
        """
        pixels, place = self.prepare(image)
        images = np.repeat(pixels, len(sentences), axis=0)
        inputs = dict(images=images, **self.encode(sentences), **text)
        return self.finish(self.session.run(None, inputs), place, image)

    def prepare(self, image: Image.Image) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """Return the input ``[1, 3, h, w]`` and where the image lies: top, left, height, width."""
        pixels, place = self.fit(image.convert('RGB'))
        if self.about['colour_order'] == 'BGR':
            pixels = pixels[..., ::-1]
        pixels = (pixels - np.float32(self.about['mean'])) / np.float32(self.about['std'])
        return pixels.transpose(2, 0, 1)[None], place

    def encode(self, sentences: list[str]) -> dict[str, np.ndarray]:
        """Return ids and mask of the sentences, ``[N, max_tokens]`` each."""
        length = self.about['max_tokens']  # the tokenizer of a keep_sep=False config does not cut
        ids, masks = zip(*(self.tokens(sentence) for sentence in sentences), strict=True)
        return dict(
            input_ids=np.array([one[:length] for one in ids]),
            attention_mask=np.array([one[:length] for one in masks]),
        )

    def finish(
        self, outputs: list[np.ndarray], place: tuple[int, int, int, int], image: Image.Image
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks and scores of the logits and, where the model has one, its no-target answer."""
        logits, *no_target = outputs
        top, left, height, width = place
        foreground = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
        corners = self.about['foreground']['align_corners']
        foreground = upsample(foreground, self.about['height'], self.about['width'], corners)
        foreground = foreground[:, top : top + height, left : left + width]
        foreground = upsample(foreground, image.height, image.width, corners)
        masks = foreground > self.about['threshold']
        for answer in no_target:
            chance = 1 / (1 + np.exp(-answer))
            masks[chance > self.about['foreground']['no_target_threshold']] = False
        probability = 1 / (1 + np.exp(-foreground))
        scores = [p[m].mean() if m.any() else 0.0 for p, m in zip(probability, masks, strict=True)]
        return masks, np.array(scores)

    def fit(self, image: Image.Image) -> tuple[np.ndarray, tuple[int, int, int, int]]:
        """Resize to ``[h, w, 3]``, aspect kept or not, and say where the image lies."""
        box_width, box_height = self.about['width'], self.about['height']
        box = self.about['letterbox']
        if box is None:
            if self.about['resize'].startswith('Pillow bilinear'):
                pixels = image.resize((box_width, box_height), Image.Resampling.BILINEAR)
                return np.asarray(pixels), (0, 0, box_height, box_width)
            raise NotImplementedError(self.about['resize'])
        scale = min(box_width / image.width, box_height / image.height)
        whole = math.floor if box['rounding'] == 'floor' else round
        height = min(max(whole(image.height * scale), 1), box_height)
        width = min(max(whole(image.width * scale), 1), box_width)
        top, left = (box_height - height) // 2, (box_width - width) // 2
        if not box['centred']:
            top = left = 0
        import cv2  # opencv-python: Pillow interpolates in another way

        method = getattr(cv2, CV2_NAMES[box['interpolation']])
        resized = cv2.resize(np.asarray(image), (width, height), interpolation=method)
        fill = np.broadcast_to(np.float32(box['fill']), 3)
        pixels = np.empty((box_height, box_width, 3), np.float32)
        pixels[:] = fill[::-1]  # the fill is of the pipeline's order, BGR
        pixels[top : top + height, left : left + width] = resized
        return pixels, (top, left, height, width)


def open_session(model: Path) -> onnxruntime.InferenceSession:
    """Return the model on the best device that onnxruntime has."""
    return onnxruntime.InferenceSession(str(model), providers=onnxruntime.get_available_providers())


def load_tokenizer(path: Path) -> Callable[[str], tuple[list[int], list[int]]]:
    """Return a function from a sentence to ids and mask, of either kind of tokenizer file."""
    about = json.loads(path.read_text(encoding='utf-8'))
    if 'vocabulary' not in about:  # a file of the tokenizers library
        tokenizer = Tokenizer.from_file(str(path))

        def encode(sentence: str) -> tuple[list[int], list[int]]:
            encoded = tokenizer.encode(sentence)
            return encoded.ids, encoded.attention_mask

        return encode
    ids = {word: number for number, word in enumerate(about['vocabulary'])}

    def encode_words(sentence: str) -> tuple[list[int], list[int]]:
        words = split_words(sentence, about)[: about['max_tokens']]
        known = [ids.get(word, ids['<unk>']) for word in words]
        filling, ones = [0] * (about['max_tokens'] - len(words)), [1] * len(words)
        if about['padding'] == 'front':
            return filling + known, filling + ones
        return known + filling, ones + filling

    return encode_words


def split_words(sentence: str, about: dict) -> list[str]:
    """Split a sentence as the rule of a word tokenizer says.

    A TreeTokenizer's words are a parser's tokens: give them joined by blanks, and their tree.
    """
    if about['rule'] == 'vlt' or about['type'] == 'TreeTokenizer':
        return sentence.split()
    pieces = (piece.strip() for piece in re.split(r'(\W+)', sentence.lower()))
    words = [piece for piece in pieces if piece]
    return words[:-1] if words and words[-1] == '.' else words


def upsample(maps: np.ndarray, height: int, width: int, align_corners: bool) -> np.ndarray:
    """Bilinear, ``[N, h, w]`` to ``[N, height, width]``; as torch's ``interpolate``."""
    rows = linear_weights(maps.shape[1], height, align_corners)
    columns = linear_weights(maps.shape[2], width, align_corners)
    return rows @ maps @ columns.T


def linear_weights(size: int, wanted: int, align_corners: bool) -> np.ndarray:
    """Matrix ``[wanted, size]`` of linear interpolation, of corner to corner or of cells."""
    if align_corners:
        positions = np.linspace(0, size - 1, wanted)
    else:
        positions = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
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
