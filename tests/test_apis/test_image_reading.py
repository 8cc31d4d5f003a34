# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Images of every mode and origin become BGR uint8, or a DataError that names them."""

import io

import mmcv
import numpy as np
import pytest
from PIL import Image

from magnet_mm.apis.image_reading import read_image
from magnet_mm.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
BGR = RGB[:, :, ::-1]


def png(image: Image.Image, kind: str = 'PNG', **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_the_same_picture_in_every_form(tmp_path):
    image = Image.fromarray(RGB)
    image.save(tmp_path / 'a.png')
    forms = (tmp_path / 'a.png', str(tmp_path / 'a.png'), png(image), BGR, image)
    for form in forms:
        read = read_image(form, 'it')
        assert read.dtype == np.uint8 and read.flags.c_contiguous
        np.testing.assert_array_equal(read, BGR)


def test_as_the_datasets_read_it(tmp_path):
    Image.fromarray(RGB).save(tmp_path / 'a.jpg', quality=90)
    expected = mmcv.imread(str(tmp_path / 'a.jpg'), 'color_ignore_orientation', backend='pillow')
    np.testing.assert_array_equal(read_image(tmp_path / 'a.jpg', 'it'), expected)


def test_grey_palette_cmyk_and_bits():
    grey = RGB[:, :, 0]
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(read_image(grey, 'it'), expected)
    np.testing.assert_array_equal(read_image(png(Image.fromarray(grey)), 'it'), expected)
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(png(wide), 'it'), expected)
    palette = Image.fromarray(RGB).quantize(8)
    shown = np.asarray(palette.convert('RGB'))[:, :, ::-1]
    np.testing.assert_array_equal(read_image(png(palette), 'it'), shown)
    red = Image.new('RGB', (8, 8), (255, 0, 0)).convert('CMYK')
    cmyk = read_image(png(red, 'JPEG', quality=95), 'it')
    assert cmyk[..., 2].min() > 240 and cmyk[..., :2].max() < 15


def test_transparent_is_white():
    image = Image.new('RGBA', (4, 2), (0, 0, 255, 0))
    image.putpixel((0, 0), (0, 0, 255, 255))
    read = read_image(image, 'it')
    assert read[0, 0].tolist() == [255, 0, 0]
    assert (read.reshape(-1, 3)[1:] == 255).all()


def test_exif_rotation():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    content = png(Image.fromarray(RGB), exif=exif)
    np.testing.assert_array_equal(read_image(content, 'it'), np.rot90(BGR, -1))
    np.testing.assert_array_equal(read_image(content, 'it', exif_rotation=False), BGR)


BOMB = Image.new('1', (30000, 10000))


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        (b'', 'it is an empty file'),
        (b'<html>not found</html>', 'not an image'),
        (png(Image.fromarray(RGB))[:-900], 'it is damaged'),
        (png(Image.fromarray(RGB), 'JPEG')[:400], 'it is (damaged|not an image)'),
        ('/nowhere/a.jpg', 'cannot be read'),
        (RGB.astype(np.float32), 'array of float32'),
        (RGB[None], r'shape \(1, 20, 30, 3\)'),
        (np.zeros((5, 0, 3), np.uint8), 'shape'),
        (np.zeros((5, 5, 4), np.uint8), 'transparency'),
        (17, 'it is a int'),
        # Pillow would start Ghostscript for it, whatever the file is called
        (png(Image.fromarray(RGB), 'EPS'), 'not an image that Pillow can read as JPEG'),
        (
            png(Image.fromarray(RGB[..., 0].astype(np.float32)), 'TIFF'),
            '^it: the image has floating',
        ),
        (png(BOMB), 'it is too large'),
        (BOMB, '30000 x 10000 pixels'),
    ],
)
@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_refusals_name_the_image(source, message):
    with pytest.raises(DataError, match=message):
        read_image(source, 'it')
