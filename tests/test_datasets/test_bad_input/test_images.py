# Copyright (c) magnet_mm authors. Licensed under Apache-2.0.
"""Image files of every odd kind: the right pixels, or an error that names file and sample."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from magnet_mm.datasets import LoadReferringImage
from magnet_mm.errors import DataError

HEIGHT, WIDTH = 6, 9
RGB = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RGB[..., 0]
DEEP = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 1200
LARGE = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)


def encoded(image, kind, **options):
    """The bytes of a file; `image` is an array or a Pillow image."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def stored(content):
    """RGB pixels of a file as they are stored."""
    return np.asarray(Image.open(io.BytesIO(content)).convert('RGB'))


def chunk(name, data):
    return struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))


def png_header(height, width):
    """A small valid PNG that claims another size."""
    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b'IDAT', zlib.compress(bytes(1000)))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + pixels + chunk(b'IEND', b'')


def jpeg_header(height, width):
    """A small valid JPEG that claims another size."""
    content = encoded(RGB, 'JPEG')
    start = content.index(b'\xff\xc0') + 5  # the frame header: length, precision, height, width
    return content[:start] + struct.pack('>HH', height, width) + content[start + 4 :]


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def text_bomb():
    """A PNG with a text chunk of 100 MB, compressed."""
    content = encoded(RGB, 'PNG')
    text = chunk(b'zTXt', b'Comment\0\0' + zlib.compress(bytes(100_000_000), 9))
    return content[:33] + text + content[33:]


def grey3(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=2)


def cases():
    """{case: (content, RGB pixels or what the DataError says)}."""
    jpeg, rotated = encoded(RGB, 'JPEG'), encoded(RGB, 'JPEG', exif=exif(6))
    upside_down = encoded(RGB, 'JPEG', exif=exif(3))
    alpha = np.dstack([RGB, GREY])
    palette = Image.fromarray(RGB).quantize(8)
    cmyk = encoded(Image.fromarray(RGB).convert('CMYK'), 'JPEG')
    frames = [Image.fromarray(grey3(GREY // 128 * 255)), Image.new('RGB', (WIDTH, HEIGHT))]
    animation = encoded(frames[0], 'GIF', save_all=True, append_images=frames[1:])
    large_jpeg, large_png = encoded(LARGE, 'JPEG', quality=95), encoded(LARGE, 'PNG')
    return {
        'RGB, PNG': (encoded(RGB, 'PNG'), RGB),
        'RGB, JPEG': (jpeg, stored(jpeg)),
        'JPEG that is called .png, or the like': (encoded(RGB, 'BMP'), RGB),
        'grey': (encoded(GREY, 'PNG'), grey3(GREY)),
        'black and white (1 bit)': (
            encoded(Image.fromarray(GREY > 127), 'PNG'),
            grey3((GREY > 127) * 255),
        ),
        'RGBA': (encoded(alpha, 'PNG'), RGB),
        'grey with transparency': (encoded(np.dstack([GREY, GREY]), 'PNG'), grey3(GREY)),
        'palette': (encoded(palette, 'PNG'), np.asarray(palette.convert('RGB'))),
        'palette with transparency': (
            encoded(palette, 'PNG', transparency=0),
            np.asarray(palette.convert('RGB')),
        ),
        '16-bit grey, PNG': (encoded(DEEP, 'PNG'), grey3(DEEP >> 8)),
        '16-bit grey, TIFF': (encoded(DEEP, 'TIFF'), grey3(DEEP >> 8)),
        'CMYK': (cmyk, stored(cmyk)),
        'EXIF: rotate by 90 degrees': (rotated, stored(jpeg)),
        'EXIF: rotate by 180 degrees': (upside_down, stored(jpeg)),
        'animated GIF': (animation, grey3(GREY // 128 * 255)),
        '32-bit integers': (encoded(DEEP.astype(np.int32), 'TIFF'), '32-bit pixels'),
        'floating point': (encoded(DEEP.astype(np.float32), 'TIFF'), 'floating-point pixels'),
        'empty file': (b'', 'cannot be read'),
        'web page': (b'<html>404 Not Found</html>', 'cannot be read'),
        'half a JPEG': (large_jpeg[: len(large_jpeg) // 2], 'cannot be read'),
        'JPEG without its last 100 bytes': (large_jpeg[:-100], 'cannot be read'),
        'half a PNG': (large_png[: len(large_png) // 2], 'cannot be read'),
        'PNG with a wrong checksum': (
            large_png[:60] + b'\xff\xff\xff' + large_png[63:],
            'cannot be read',
        ),
        'EPS (would start Ghostscript)': (
            b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 6\n%%EndComments\n',
            'cannot be read',
        ),
        'another size than annotated': (
            encoded(RGB.transpose(1, 0, 2).copy(), 'PNG'),
            r'is \(9, 6\) \(height, width\) but instances.json says \(6, 9\)',
        ),
        'PNG that claims 60,000 x 60,000': (png_header(60_000, 60_000), 'bomb'),
        'JPEG that claims 60,000 x 60,000': (jpeg_header(60_000, 60_000), 'bomb'),
        'PNG that claims 10,000 x 10,000': (png_header(10_000, 10_000), 'bomb'),
        'PNG with 100 MB of compressed text': (text_bomb(), 'cannot be read'),
    }


CASES = cases()
DAMAGED_LARGE = {
    'half a JPEG',
    'JPEG without its last 100 bytes',
    'half a PNG',
    'PNG with a wrong checksum',
}


def sample(path, **more):
    return dict(
        img_path=str(path),
        image_root=str(path.parent),
        ref_id=3,
        height=HEIGHT,
        width=WIDTH,
        ann_file='instances.json',
        **more,
    )


@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
@pytest.mark.parametrize('case', CASES)
def test_case(case, tmp_path):
    content, expected = CASES[case]
    path = tmp_path / 'COCO_1.jpg'
    path.write_bytes(content)
    results = sample(path)
    if case in DAMAGED_LARGE:
        results.update(height=120, width=160)
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected) as caught:
            LoadReferringImage()(results)
        assert str(path) in str(caught.value) and 'ref 3' in str(caught.value)
        assert 'img' not in results
        return
    loaded = LoadReferringImage()(results)
    assert loaded['img'].dtype == np.uint8 and loaded['img'].flags.c_contiguous
    assert loaded['img_shape'] == loaded['ori_shape'] == (HEIGHT, WIDTH)
    np.testing.assert_array_equal(loaded['img'][..., ::-1], expected)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r'none.jpg \(ref 3\): the image cannot be read'):
        LoadReferringImage()(sample(tmp_path / 'none.jpg'))


def test_links_out_of_the_image_directory(tmp_path):
    outside, inside = tmp_path / 'outside', tmp_path / 'inside'
    outside.mkdir()
    inside.mkdir()
    (outside / 'a.png').write_bytes(encoded(RGB, 'PNG'))
    (inside / 'b.png').write_bytes(encoded(RGB, 'PNG'))
    (inside / 'link.png').symlink_to(outside / 'a.png')
    (inside / 'near.png').symlink_to('b.png')
    (tmp_path / 'root').symlink_to(inside)
    with pytest.raises(DataError, match=r'\(ref 3\): .*link.png leads out of the image directory'):
        LoadReferringImage()(sample(inside / 'link.png'))
    with pytest.raises(DataError, match='leads out of the image directory'):
        LoadReferringImage()(
            dict(img_path=str(inside / '..' / 'outside' / 'a.png'), image_root=str(inside))
        )
    allowed = LoadReferringImage(allow_links_outside=True)(sample(inside / 'link.png'))
    for path in (inside / 'near.png', tmp_path / 'root' / 'b.png'):
        np.testing.assert_array_equal(LoadReferringImage()(sample(path))['img'], allowed['img'])
    # a picture of the user's own has no image_root
    assert LoadReferringImage()(dict(img_path=os.fspath(outside / 'a.png')))['img'] is not None


def test_pixel_limit_is_an_argument(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(encoded(RGB, 'PNG'))
    assert LoadReferringImage(max_pixels=54)(sample(path))['img'].shape == (6, 9, 3)
    with pytest.raises(DataError, match=r'6 x 9 pixels \(height, width\), more than max_pixels=53'):
        LoadReferringImage(max_pixels=53)(sample(path))


@given(st.binary(max_size=40), st.integers(0, 400), st.sampled_from(['JPEG', 'PNG', 'GIF', 'TIFF']))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damage_anywhere_is_our_error_or_an_image(tmp_path, damage, place, kind):
    content = encoded(RGB, kind)
    place = min(place, len(content))
    path = tmp_path / 'a.img'
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    try:
        loaded = LoadReferringImage()(sample(path))
    except DataError as error:
        assert 'a.img' in str(error) and 'ref 3' in str(error)
    else:
        assert loaded['img'].shape == (HEIGHT, WIDTH, 3) and loaded['img'].dtype == np.uint8
