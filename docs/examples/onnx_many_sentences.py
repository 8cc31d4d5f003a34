"""Many sentences of one image, which is encoded once: the two files of ``tools/export.py --split``.

    python docs/examples/onnx_many_sentences.py model.image.onnx photo.jpg "the red circle" "it"

Preparing and finishing are those of onnx_inference.py, which lies beside this file.
"""

import argparse
from pathlib import Path

import numpy as np
from onnx_inference import OnnxReferringSegmentor, open_session
from PIL import Image


class OnnxSplitSegmentor(OnnxReferringSegmentor):
    """A model in two files; call it with one image and any number of sentences."""

    def __init__(self, image_part: Path, batch_size: int = 8) -> None:
        self.image_session = open_session(image_part)
        self.batch_size = batch_size
        name = image_part.name.replace('.image.', '.sentence.')
        super().__init__(image_part.with_name(name))

    def __call__(self, image: Image.Image, sentences: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Masks, bool ``[N, H, W]`` at the image's size, and scores ``[N]`` in 0..1."""
        pixels, place = self.prepare(image)
        names = [output.name for output in self.image_session.get_outputs()]
        maps = dict(zip(names, self.image_session.run(None, dict(images=pixels)), strict=True))
        answers = []
        for start in range(0, len(sentences), self.batch_size):
            text = self.encode(sentences[start : start + self.batch_size])
            image_of = np.zeros(len(text['input_ids']), np.int64)  # all speak of the one image
            outputs = self.session.run(None, dict(maps, image_of=image_of, **text))
            answers.append(self.finish(outputs, place, image))
        masks, scores = zip(*answers, strict=True)
        return np.concatenate(masks), np.concatenate(scores)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('model', type=Path, help='the .image.onnx file')
    parser.add_argument('image', type=Path)
    parser.add_argument('sentences', nargs='+')
    args = parser.parse_args()
    found = OnnxSplitSegmentor(args.model)(Image.open(args.image), args.sentences)
    for sentence, mask, score in zip(args.sentences, *found, strict=True):
        print(f'{sentence}: {mask.mean():.1%} of the image, score {score:.2f}')
