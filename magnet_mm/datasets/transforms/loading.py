# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Loads the image, and the mask of the referred object."""

from __future__ import annotations

import io
from typing import Any

from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmseg.registry import TRANSFORMS
from PIL import Image

from magnet_mm.datasets.annotations.masks import NEARLY, mismatch_advice, rle_to_mask
from magnet_mm.datasets.annotations.target_masks import target_rle
from magnet_mm.datasets.image_files import FORMATS, MAX_PIXELS, open_image, to_bgr
from magnet_mm.datasets.image_paths import check_inside
from magnet_mm.errors import DataError
from magnet_mm.text_safety import printable


@TRANSFORMS.register_module()
class LoadReferringImage(BaseTransform):
    """Decode an image by Pillow to 8-bit BGR in the stored orientation.

    COCO's masks are drawn on the stored pixels, so an EXIF orientation is ignored. Grey, palette,
    CMYK and transparent images become RGB as Pillow converts them, the transparency dropped;
    16-bit grey is scaled by its high byte, as Pillow does with 16-bit colour. The size in the
    file's header is checked before any pixel is decoded.

    Required keys: `img_path`. Optional keys: `image_root` (the directory that the file must lie in,
    see :func:`magnet_mm.datasets.image_paths.check_inside`), `height`, `width` (the size that the
    annotation says), `ref_id` (for messages).

    Added keys: `img` (uint8 [H, W, 3], BGR), `img_shape`, `ori_shape` ((H, W)).

    Args:
        max_pixels (int): Largest H * W. Defaults to the number from which Pillow itself warns of
            a decompression bomb; it refuses twice that in any case.
        allow_links_outside (bool): Allow images that are symbolic links out of `image_root`.
        size_tolerance (int): By how many rows and columns the image may differ from its annotated
            size; give :class:`LoadReferringMask` the same.
        backend_args (dict, optional): Of `mmengine.fileio`, for other storage than local files.

    Raises:
        DataError: The file is missing, empty, truncated, damaged, no image of
            :data:`magnet_mm.datasets.image_files.FORMATS`, too large, of another size than
            annotated, or outside `image_root`.

    Source: docs/train_and_evaluate.md, "The protocol" (Pillow); the checks are our choice.
    """

    def __init__(
        self,
        max_pixels: int = MAX_PIXELS,
        allow_links_outside: bool = False,
        size_tolerance: int = 0,
        backend_args: dict | None = None,
    ) -> None:
        self.max_pixels = max_pixels
        self.size_tolerance = size_tolerance
        self.allow_links_outside = allow_links_outside
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Add the image to the results."""
        path = results['img_path']
        where = printable(path) + (f' (ref {results["ref_id"]})' if 'ref_id' in results else '')
        if 'image_root' in results and not self.allow_links_outside:
            check_inside(path, results['image_root'], where)
        try:
            content = fileio.get(path, backend_args=self.backend_args)
            with open_image(io.BytesIO(content)) as image:
                self._check_size(image, results, where)
                pixels = to_bgr(image, where)
        except DataError:
            raise
        except Exception as error:  # Pillow raises nearly anything on a damaged file
            raise DataError(
                f'{where}: the image cannot be read ({type(error).__name__}: '
                f'{printable(error, 200)}). Check `data_prefix` and that the file is a complete '
                f'image ({", ".join(FORMATS)}); download it again if it is damaged.'
            ) from error
        results['img'] = pixels
        results['img_shape'] = results['ori_shape'] = pixels.shape[:2]
        return results

    def _check_size(self, image: Image.Image, results: dict, where: str) -> None:
        """Check the size in the header, before anything is decoded."""
        width, height = image.size
        if width * height > self.max_pixels:
            raise DataError(
                f'{where}: the file claims {height} x {width} pixels (height, width), more than '
                f'max_pixels={self.max_pixels}: it may be a decompression bomb. Raise max_pixels '
                'of LoadReferringImage if your images are that large.'
            )
        if 'height' in results and 'width' in results:
            check_annotated_size(results, (height, width), self.size_tolerance)

    def __repr__(self) -> str:
        """Class name and arguments."""
        return (
            f'{type(self).__name__}(max_pixels={self.max_pixels}, '
            f'allow_links_outside={self.allow_links_outside}, '
            f'size_tolerance={self.size_tolerance}, backend_args={self.backend_args})'
        )


@TRANSFORMS.register_module()
class LoadReferringMask(BaseTransform):
    """Decode the annotated segmentation at the size of the original image.

    Required keys: `img, ori_shape` (so it stands after `LoadReferringImage`), and `segmentation`
    or `segmentations` (see :func:`magnet_mm.datasets.annotations.target_masks.target_rle`).
    Optional keys: `height, width` (pixels), which must be the image's.

    Added keys: `gt_seg_map` (uint8 [H, W], 1 on the object), `gt_rle` (compressed RLE dict at
    original size); `gt_seg_map` is entered in `seg_fields`. The segmentations are removed.

    Args:
        size_tolerance (int): By how many rows and columns the annotated size, an RLE or a mask
            image may differ from the image; the mask is cropped, or padded with background, at the
            lower and right border. Some images of RRSIS-D are a row larger than their masks.

    Raises:
        DataError: The image on disk has another size than the annotation file says, or the
            segmentation does not fit the image.

    Source: docs/data.md (union of polygon parts).
    """

    def __init__(self, size_tolerance: int = 0) -> None:
        self.size_tolerance = size_tolerance

    def transform(self, results: dict) -> dict:
        """Add the mask to the results."""
        height, width = results['ori_shape']
        if 'height' in results and 'width' in results:
            check_annotated_size(results, (height, width), self.size_tolerance)
        where = (
            f'{results.get("ann_file", "annotation")}: annotation {results.get("ann_id")} of ref '
            f'{results.get("ref_id")}'
        )
        rle = target_rle(results, height, width, where, self.size_tolerance)
        for key in ('segmentation', 'segmentations'):
            results.pop(key, None)
        results['gt_rle'] = rle
        results['gt_seg_map'] = rle_to_mask(rle)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        """Class name and arguments."""
        return f'{type(self).__name__}(size_tolerance={self.size_tolerance})'


def check_annotated_size(
    results: dict[str, Any], size: tuple[int, int], tolerance: int = 0
) -> None:
    """Check that an image has the height and width that its annotation says.

    Args:
        results: With `img_path, height, width` and, for the message, `ann_file, ref_id`.
        size: Height and width of the image on disk, in pixels.
        tolerance: By how many rows and columns they may differ.

    Raises:
        DataError: They differ by more.
    """
    annotated = (results['height'], results['width'])
    difference = max(abs(size[0] - annotated[0]), abs(size[1] - annotated[1]))
    if difference > tolerance:
        raise DataError(
            f'{printable(results["img_path"])} is {size} (height, width) but '
            f'{results.get("ann_file", "its annotation")} says {annotated} (ref '
            f'{results.get("ref_id")}). '
            + (
                mismatch_advice(difference)
                if difference <= NEARLY
                else 'The image was resized or is another one; use the original images of the data '
                'set (for RefCOCO and its kin: COCO train2014).'
            )
        )
