#!/usr/bin/env python3
"""Makes the pictures in Inputs/ and what Pillow and torchvision make of them. Run it with an environment that has both:

    python3 -m venv /tmp/tv && /tmp/tv/bin/pip install torchvision && /tmp/tv/bin/python tests/unit/zoo/make_pictures.py

For each picture NAME the file NAME.rgb holds: width and height (16 bits, little-endian), then the bytes of convert("RGB"). For each case of
CASES a file CASE.rgb holds the same of Resize and CenterCrop. versions.txt says what made them.
"""
import io
import pathlib
import struct
import zlib

import numpy as np
import PIL
import torchvision
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

FOLDER = pathlib.Path(__file__).parent / "Inputs"
# picture, shorter side, crop (height, width), filter: down, up, odd sizes, portrait, nearly the same size, one pixel wide
CASES = [
    ("rgb.jpg", 32, (28, 28), "bilinear"), ("rgb.jpg", 32, (28, 28), "bicubic"), ("rgb.jpg", 37, (30, 32), "bilinear"),
    ("rgb.jpg", 100, (64, 64), "bilinear"), ("rgb.jpg", 100, (64, 64), "bicubic"), ("rgb.jpg", 61, (61, 60), "bilinear"),
    ("portrait.png", 32, (28, 28), "bilinear"), ("portrait.png", 17, (16, 15), "bicubic"), ("strip.png", 8, (8, 8), "bilinear"),
    ("strip.png", 8, (8, 8), "bicubic"), ("noise.png", 16, (14, 14), "bilinear"), ("noise.png", 5, (5, 5), "bicubic"),
]


def scene(height, width, seed):
    """Smooth areas, edges and some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [127 + 120 * np.sin(x / (5 + c) + seed) * np.cos(y / (7 - c)) + 40 * ((x + y) % 19 < 6) for c in range(3)]
    return np.clip(np.stack(planes, axis=-1) + rng.integers(-9, 10, (height, width, 3)), 0, 255).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, extra=b""):
    """PNGs that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))) + chunk(b"IEND", b""))


def interlaced(pixels):
    """Adam7 of 8-bit RGB."""
    height, width, _ = pixels.shape
    data = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        part = pixels[y0::dy, x0::dx]
        if part.size:
            data += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def pictures():
    rgb = scene(61, 83, 1)
    picture = Image.fromarray(rgb)
    rng = np.random.default_rng(5)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter; loaders of data sets do not

    def saved(image, kind, **options):
        out = io.BytesIO()
        image.save(out, kind, **options)
        return out.getvalue()

    yield "rgb.jpg", saved(picture, "JPEG", quality=90)
    yield "rgb444.jpg", saved(picture, "JPEG", quality=75, subsampling=0)
    yield "rgb422.jpg", saved(picture, "JPEG", quality=80, subsampling=1)
    yield "progressive.jpg", saved(picture, "JPEG", quality=85, progressive=True)
    yield "restarts.jpg", saved(picture, "JPEG", quality=85, restart_marker_blocks=3)
    yield "gray.jpg", saved(picture.convert("L"), "JPEG", quality=85)
    yield "cmyk.jpg", saved(picture.convert("CMYK"), "JPEG", quality=95)
    yield "turned.jpg", saved(picture, "JPEG", quality=85, exif=exif)
    yield "portrait.png", saved(Image.fromarray(scene(77, 40, 2)), "PNG")
    yield "strip.png", saved(Image.fromarray(scene(1, 31, 3)), "PNG")
    yield "noise.png", saved(Image.fromarray(rng.integers(0, 256, (33, 29, 3), dtype=np.uint8)), "PNG")
    small = scene(9, 13, 4)
    alpha = rng.integers(0, 256, (9, 13, 1), dtype=np.uint8)
    yield "alpha.png", saved(Image.fromarray(np.concatenate([small, alpha], axis=2)), "PNG")
    yield "gray.png", saved(Image.fromarray(small).convert("L"), "PNG")
    yield "gray_alpha.png", saved(Image.fromarray(np.concatenate([small[:, :, :1], alpha], axis=2), "LA"), "PNG")
    yield "palette.png", saved(Image.fromarray(small).quantize(11), "PNG")
    yield "palette_transparent.png", saved(Image.fromarray(small).quantize(16), "PNG", transparency=3)
    yield "bits.png", saved(Image.fromarray(small).convert("1"), "PNG")
    yield "interlaced.png", interlaced(small)
    yield "gray2.png", png(5, 2, 2, 0, [bytes([0x1B, 0x40]), bytes([0xE4, 0xC0])])
    yield "gray4.png", png(3, 2, 4, 0, [bytes([0x05, 0xA0]), bytes([0xF1, 0x70])])
    yield "gray16.png", png(4, 1, 16, 0, [struct.pack(">4H", 0, 100, 255, 40000)])
    yield "gray_alpha16.png", png(2, 1, 16, 4, [struct.pack(">4H", 0x1280, 100, 0xFF00, 40000)])
    yield "rgb16.png", png(2, 1, 16, 2, [struct.pack(">6H", 0, 100, 255, 40000, 65535, 32767)])
    yield "outside_palette.png", png(4, 1, 8, 3, [bytes([0, 1, 2, 200])], chunk(b"PLTE", bytes([1, 2, 3, 4, 5, 6])))
    yield "palette2.png", png(4, 1, 2, 3, [bytes([0x1B])], chunk(b"PLTE", bytes(range(12))))


def write_pixels(name, image):
    rgb = image.convert("RGB")
    (FOLDER / (name + ".rgb")).write_bytes(struct.pack("<HH", *rgb.size) + rgb.tobytes())


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, data in pictures():
        (FOLDER / name).write_bytes(data)
        write_pixels(name, Image.open(io.BytesIO(data)))
    lines = []
    for name, size, crop, kind in CASES:
        evaluation = transforms.Compose([transforms.Resize(size, interpolation=getattr(InterpolationMode, kind.upper())), transforms.CenterCrop(crop)])
        case = f"{pathlib.Path(name).stem}-{size}-{crop[0]}x{crop[1]}-{kind}"
        write_pixels(case, evaluation(Image.open(FOLDER / name).convert("RGB")))
        lines.append(f"{case} {name} {size} {crop[0]} {crop[1]} {kind}\n")
    gray = Image.open(FOLDER / "rgb.jpg").convert("L")
    (FOLDER / "rgb.jpg.gray").write_bytes(gray.tobytes())
    (FOLDER / "cases.txt").write_text("".join(lines))
    (FOLDER / "versions.txt").write_text(f"Pillow {PIL.__version__}\ntorchvision {torchvision.__version__}\n")


if __name__ == "__main__":
    main()
