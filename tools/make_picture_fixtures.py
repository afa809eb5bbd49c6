#!/usr/bin/env python3
"""Make the pictures in tests/fixtures/pictures and what Pillow makes of them.

    python tools/make_picture_fixtures.py

Needs Pillow (with libjpeg-turbo and libwebp) and NumPy. The same seed makes the
same pictures; the encoders' versions are written into versions.txt. Each picture
gets 784 bytes in expected.bin, in the order of names.txt:

    Image.open(f).convert("L").resize((28, 28), Image.BICUBIC)

EXIF pictures get those bytes too: orientation is ignored there. colour.bin has what
COLOURS below makes of each: pictures of 10 x 6 pixels as keras.utils.load_img and
ImageOps.fit make them. It is written alone, of the pictures that are there, with

    python tools/make_picture_fixtures.py --colour
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageDraw, ImageOps, features

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "tests" / "fixtures" / "pictures"
RNG = np.random.default_rng(28)


def scene(width, height, noise=4):
    """A smooth colourful ground with shapes on it: it has edges, flats and all hues."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = x / max(width - 1, 1), y / max(height - 1, 1)
    rgb = np.stack([255 * u, 255 * v, 255 * (1 - (u + v) / 2)], -1)
    rgb += RNG.normal(0, noise, rgb.shape) if noise else 0
    picture = Image.fromarray(rgb.clip(0, 255).astype(np.uint8), "RGB")
    draw = ImageDraw.Draw(picture)
    side = min(width, height)
    if side >= 8:
        draw.ellipse((width * 0.1, height * 0.1, width * 0.5, height * 0.6), outline="white", width=max(1, side // 16))
        draw.line((width * 0.2, height * 0.9, width * 0.9, height * 0.2), fill="black", width=max(1, side // 12))
        draw.rectangle((width * 0.6, height * 0.6, width * 0.9, height * 0.9), fill=(200, 30, 40))
    return picture


def alpha(width, height):
    """An alpha channel with clear, half clear and opaque parts."""
    x = np.linspace(-0.5, 1.5, width).clip(0, 1)
    return Image.fromarray((np.ones((height, 1)) * x * 255).astype(np.uint8), "L")


def rgba(width, height, noise=4):
    picture = scene(width, height, noise)
    picture.putalpha(alpha(width, height))
    return picture


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, raw, interlace=0, extra=b""):
    """A PNG by hand, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    )


def interlaced(samples):
    """Adam7 scan lines of an array of (height, width, bytes)."""
    raw = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = samples[y0::dy, x0::dx]
        if part.size:
            raw += b"".join(b"\0" + line.tobytes() for line in part)
    return raw


def small_grey(width, height, depth):
    """Grey scan lines of 2 or 4 bits."""
    values = np.asarray(scene(width, height, 0).convert("L")) >> (8 - depth)
    bits = np.unpackbits(values[..., None].astype(np.uint8), axis=2)[..., 8 - depth:]
    lines = np.packbits(bits.reshape(height, -1), axis=1)
    return b"".join(b"\0" + line.tobytes() for line in lines)


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def digit_seven(size=64):
    """A dark seven on white, upright."""
    picture = Image.new("L", (size, size), 255)
    draw = ImageDraw.Draw(picture)
    draw.line([(14, 14), (48, 14), (26, 52)], fill=20, width=5, joint="curve")
    return picture


def pictures():
    """Name → bytes."""
    grey = lambda w, h: scene(w, h).convert("L")
    few = lambda w, h, n: scene(w, h, 0).quantize(n, dither=Image.Dither.NONE)
    p = {}
    # PNG: sizes, up and down, and every kind of pixel.
    for width, height in ((1, 1), (2, 3), (3, 500), (500, 3), (1, 77), (28, 28), (27, 29), (33, 47), (56, 56), (97, 61)):
        p[f"rgb_{width}x{height}.png"] = encoded(scene(width, height), "PNG")
    p["rgb_1000x800.png"] = encoded(scene(1000, 800, 0), "PNG", optimize=True)
    p["grey_200x150.png"] = encoded(grey(200, 150), "PNG")
    p["grey_noise_64x64.png"] = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64), np.uint8), "L"), "PNG")
    p["black_and_white_noise_90x40.png"] = encoded(
        Image.fromarray(RNG.integers(0, 2, (40, 90), np.uint8) * 255, "L"), "PNG"
    )
    p["rgba_120x90.png"] = encoded(rgba(120, 90), "PNG")
    p["grey_alpha_60x80.png"] = encoded(rgba(60, 80).convert("LA"), "PNG")
    p["palette_80x60.png"] = encoded(few(80, 60, 64), "PNG")
    p["palette_4_bit_80x60.png"] = encoded(few(80, 60, 13), "PNG")
    p["palette_transparent_80x60.png"] = encoded(few(80, 60, 32), "PNG", transparency=3)
    p["palette_alpha_80x60.png"] = encoded(few(80, 60, 32), "PNG", transparency=bytes(range(0, 256, 8)))
    p["one_bit_75x40.png"] = encoded(scene(75, 40).convert("1"), "PNG")
    for depth in (2, 4):
        p[f"grey_{depth}_bit_75x40.png"] = png(75, 40, depth, 0, small_grey(75, 40, depth))
    p["grey_transparent_50x50.png"] = encoded(grey(50, 50), "PNG", transparency=128)
    p["rgb_transparent_50x50.png"] = encoded(scene(50, 50), "PNG", transparency=(255, 255, 255))
    p["grey_interlaced_45x37.png"] = png(45, 37, 8, 0, interlaced(np.asarray(grey(45, 37))[..., None]), 1)
    p["rgb_interlaced_3x2.png"] = png(3, 2, 8, 2, interlaced(np.asarray(scene(3, 2))), 1)
    p["rgb_interlaced_101x83.png"] = png(101, 83, 8, 2, interlaced(np.asarray(scene(101, 83, 0))), 1)
    p["rgba_interlaced_30x31.png"] = png(30, 31, 8, 6, interlaced(np.asarray(rgba(30, 31))), 1)
    p["exif_6_40x30.png"] = encoded(scene(40, 30), "PNG", exif=exif(6))
    # JPEG
    for name, sampling in (("444", 0), ("422", 1), ("420", 2)):
        p[f"{name}_160x121.jpg"] = encoded(scene(160, 121), "JPEG", quality=90, subsampling=sampling)
        p[f"{name}_progressive_123x90.jpg"] = encoded(
            scene(123, 90), "JPEG", quality=80, subsampling=sampling, progressive=True
        )
        p[f"{name}_20x17.jpg"] = encoded(scene(20, 17), "JPEG", quality=75, subsampling=sampling)
    p["420_low_quality_300x200.jpg"] = encoded(scene(300, 200), "JPEG", quality=20)
    p["420_900x700.jpg"] = encoded(scene(900, 700, 2), "JPEG", quality=60)
    p["420_1x1.jpg"] = encoded(scene(1, 1), "JPEG")
    p["420_5x300.jpg"] = encoded(scene(5, 300), "JPEG")
    p["restart_140x100.jpg"] = encoded(scene(140, 100), "JPEG", restart_marker_rows=1)
    p["grey_100x80.jpg"] = encoded(grey(100, 80), "JPEG", quality=85)
    p["grey_progressive_33x47.jpg"] = encoded(grey(33, 47), "JPEG", quality=85, progressive=True)
    p["rgb_not_ycc_60x60.jpg"] = encoded(scene(60, 60), "JPEG", quality=90, keep_rgb=True)
    cmyk = encoded(scene(90, 70).convert("CMYK"), "JPEG", quality=92)
    p["cmyk_90x70.jpg"] = cmyk
    at = cmyk.index(b"Adobe") + 11
    p["ycck_90x70.jpg"] = cmyk[:at] + b"\2" + cmyk[at + 1:]
    for turn in range(2, 9):
        p[f"exif_{turn}_64x48.jpg"] = encoded(scene(64, 48), "JPEG", exif=exif(turn))
    # GIF
    p["global_palette_100x70.gif"] = encoded(few(100, 70, 200), "GIF")
    p["interlaced_61x59.gif"] = encoded(few(61, 59, 50), "GIF", interlace=True)
    p["transparent_64x64.gif"] = encoded(few(64, 64, 50), "GIF", transparency=7)
    p["grey_30x30.gif"] = encoded(grey(30, 30), "GIF")
    p["animated_50x40.gif"] = encoded(
        few(50, 40, 30), "GIF", save_all=True, append_images=[few(50, 40, 20).rotate(180)], duration=50
    )
    p["frame_in_canvas_40x40.gif"] = gif_frame_in_canvas(None)
    p["frame_in_transparent_canvas_40x40.gif"] = gif_frame_in_canvas(2)
    # BMP
    p["rgb_24_bit_61x47.bmp"] = encoded(scene(61, 47), "BMP")
    p["palette_8_bit_61x47.bmp"] = encoded(few(61, 47, 256), "BMP")
    p["grey_8_bit_61x47.bmp"] = encoded(grey(61, 47), "BMP")
    p["one_bit_61x47.bmp"] = encoded(scene(61, 47).convert("1"), "BMP")
    p["rgba_32_bit_31x27.bmp"] = encoded(rgba(31, 27), "BMP")
    p["plain_32_bit_31x27.bmp"] = bmp(31, 27, 32, np.asarray(rgba(31, 27))[::-1, :, [2, 1, 0, 3]].tobytes())
    p["top_down_24_bit_20x30.bmp"] = bmp(20, -30, 24, np.asarray(scene(20, 30))[:, :, ::-1].tobytes())
    five = (np.asarray(scene(30, 20)).astype(np.uint16) >> 3) @ np.array([1024, 32, 1], np.uint16)
    p["plain_16_bit_30x20.bmp"] = bmp(30, 20, 16, five.astype("<u2").tobytes())
    p["fields_565_30x20.bmp"] = bmp(
        30, 20, 16, five.astype("<u2").tobytes(), compression=3, after=struct.pack("<3I", 0xF800, 0x7E0, 0x1F)
    )
    p["run_length_8_bit_32x24.bmp"] = bmp_run_length()
    # WebP
    p["lossy_150x110.webp"] = encoded(scene(150, 110), "WEBP", quality=80)
    p["lossy_21x19.webp"] = encoded(scene(21, 19), "WEBP", quality=60)
    p["lossy_640x480.webp"] = encoded(scene(640, 480, 1), "WEBP", quality=50)
    p["lossy_alpha_90x80.webp"] = encoded(rgba(90, 80), "WEBP", quality=85, exact=True)
    p["lossless_77x55.webp"] = encoded(scene(77, 55), "WEBP", lossless=True)
    p["lossless_alpha_60x50.webp"] = encoded(rgba(60, 50), "WEBP", lossless=True, exact=True)
    p["lossless_palette_60x50.webp"] = encoded(few(60, 50, 9).convert("RGB"), "WEBP", lossless=True)
    p["animated_50x40.webp"] = encoded(
        scene(50, 40), "WEBP", save_all=True, append_images=[scene(50, 40).rotate(180)], lossless=True
    )
    p["exif_6_48x36.webp"] = encoded(scene(48, 36), "WEBP", quality=80, exif=exif(6))
    # A seven that is upright once its orientation is applied, for FIT_DIGIT.
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for turn, undo in turns.items():
        seven = digit_seven() if undo is None else digit_seven().transpose(undo)
        p[f"seven_{turn}.jpg"] = encoded(seven, "JPEG", quality=95, exif=exif(turn))
    p["seven_6.png"] = encoded(digit_seven().transpose(turns[6]), "PNG", exif=exif(6))
    p["seven_6.webp"] = encoded(digit_seven().transpose(turns[6]), "WEBP", lossless=True, exif=exif(6))
    return p


def gif_frame_in_canvas(transparent):
    """A 40 x 40 canvas whose only frame covers 20 x 10 of it, at (12, 16)."""
    inner = encoded(scene(20, 10, 0).quantize(16, dither=Image.Dither.NONE), "GIF")
    flags = inner[10]
    table = 13 + 3 * (2 << (flags & 7))
    palette = inner[13:table]
    frame = inner[inner.index(b"\x2c", table) :]
    control = b"" if transparent is None else bytes((0x21, 0xF9, 4, 1, 0, 0, transparent, 0))
    screen = struct.pack("<HHBBB", 40, 40, flags, 0, 0)
    return b"GIF89a" + screen + palette + control + b"\x2c" + struct.pack("<HH", 12, 16) + frame[5:]


def bmp(width, height, bits, pixels, compression=0, after=b""):
    """A BMP by hand; the rows of `pixels` must be multiples of four bytes."""
    at = 54 + len(after)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + info + after + pixels


def bmp_run_length():
    """Encoded and literal runs, a jump, and lines that end early."""
    palette = b"".join(bytes((3 * i % 256, i, 255 - i, 0)) for i in range(256))
    lines = b""
    for y in range(24):
        if y == 10:
            lines += bytes((0, 2, 5, 0))
        lines += bytes((10, 9 * y % 256, 0, 5)) + bytes((y, 50, 100, 150, 200, 0)) + bytes((8, 255 - y, 0, 0))
    return bmp(32, 24, 8, lines + b"\0\1", compression=1, after=palette)


SMALL = (10, 6)


def middle(picture):
    """The box that keras.utils.load_img(keep_aspect_ratio=True) takes."""
    (width, height), (wide, high) = picture.size, SMALL
    cut_height = min(height, (width * high) // wide)
    cut_width = min(width, (height * wide) // high)
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return [left, top, left + cut_width, top + cut_height]


COLOURS = [
    lambda p: p.convert("RGB").resize(SMALL, Image.NEAREST),
    lambda p: p.convert("RGB").resize(SMALL, Image.BOX),
    lambda p: p.convert("RGB").resize(SMALL, Image.HAMMING),
    lambda p: p.convert("RGBA").resize(SMALL, Image.NEAREST),
    lambda p: p.convert("RGBA").resize(SMALL, Image.BICUBIC),
    lambda p: p.convert("RGB").resize(SMALL, Image.BILINEAR, box=middle(p)),
    lambda p: ImageOps.fit(p.convert("RGB"), SMALL, Image.LANCZOS),
]


def write_colour(names):
    made = b""
    for name in names:
        with Image.open(OUT / name) as picture:
            made += b"".join(make(picture).tobytes() for make in COLOURS)
    (OUT / "colour.bin").write_bytes(made)


def main():
    if sys.argv[1:] == ["--colour"]:
        write_colour((OUT / "names.txt").read_text().split())
        return
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        if old.suffix in {".png", ".jpg", ".gif", ".bmp", ".webp"}:
            old.unlink()
    names, expected = [], b""
    for name, data in pictures().items():
        (OUT / name).write_bytes(data)
        names.append(name)
        with Image.open(io.BytesIO(data)) as picture:
            expected += picture.convert("L").resize((28, 28), Image.BICUBIC).tobytes()
    (OUT / "names.txt").write_text("".join(f"{name}\n" for name in names))
    (OUT / "expected.bin").write_bytes(expected)
    write_colour(names)
    (OUT / "versions.txt").write_text(
        f"Pillow {PIL.__version__}\nlibjpeg-turbo {features.version_feature('libjpeg_turbo')}\n"
        f"libwebp {features.version('webp')}\nNumPy {np.__version__}\n"
    )
    total = sum(f.stat().st_size for f in OUT.iterdir())
    print(f"{len(names)} pictures, {total} bytes")


if __name__ == "__main__":
    main()
