#!/usr/bin/env python3
"""Pictures of digits as people take them, of some fifty kinds, to measure with.

    python tools/digits/kinds.py FOLDER --each 100 [--kinds KIND ...] [--split train] [--seed 1]

Needs what requirements.txt names and, for half of the digits, the MNIST files; the others are drawn with strokes.
Writes FOLDER/KIND/NUMBER_LABEL.png (or .jpg). LABEL is the digit, or "none" where there is none or more than one.
`kiln predict --local --json FOLDER` tells what Kiln makes of them.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from maker import Maker, dark, draw, grey, trim

JPG, PNG, DEEP, PALETTE, POOR = ".jpg", ".png", "16 bits", "palette", "poor"
DATA = Path("../shared/mnist")
KINDS = {}


def kind(group, name=None):
    def add(make):
        KINDS[name or make.__name__] = (group, make)
        return make

    return add


def plain(name, **how):
    """Even ink on even paper."""

    def make(m):
        paper, ink = how.get("colours", lambda m: (np.full(3, 255.0), np.zeros(3)))(m)
        page, label, _ = m.put(how.get("size", Maker.size)(m), how.get("height", lambda m: None)(m),
                               how.get("pen", lambda m: None)(m), how.get("place", lambda m: None)(m))
        return draw(paper, page, ink), label, PNG

    KINDS[name] = ("clean", make)


WHITE, BLACK = np.full(3, 255.0), np.zeros(3)
middle = lambda m: (0.5, 0.5)
side28 = lambda m: (28, 28)
plain("black_on_white")
plain("white_on_black", colours=lambda m: (BLACK, WHITE))
plain("colour_on_white", colours=lambda m: (WHITE, m.colour(0, 170)))
plain("colour_on_colour", colours=Maker.pair)
plain("light_on_grey", colours=lambda m: (np.full(3, m.u(90, 150)), np.full(3, 255.0)))
plain("dark_on_grey", colours=lambda m: (np.full(3, m.u(110, 170)), np.full(3, m.u(0, 30))))
plain("faint", colours=lambda m: (np.full(3, 250.0), np.full(3, m.u(190, 215))))
plain("small_somewhere", height=lambda m: m.u(45, 80))
plain("large", height=lambda m: 430)
plain("large_canvas", size=lambda m: (1600, 1200))
plain("tiny_canvas", size=lambda m: (m.i(36, 64),) * 2, height=lambda m: m.u(22, 30))
plain("wide_canvas", size=lambda m: (900, 220))
plain("tall_canvas", size=lambda m: (240, 900))
plain("thin_pen", pen=lambda m: 0.02)
plain("thick_pen", pen=lambda m: m.u(0.17, 0.22))
plain("one_pixel_pen", pen=lambda m: 0.001, height=lambda m: m.u(150, 400))
plain("square_280", size=lambda m: (280, 280), height=lambda m: m.u(120, 240))
plain("28_black_on_white", size=side28, height=lambda m: m.u(18, 22), place=middle)
plain("28_white_on_black", size=side28, height=lambda m: 20, place=middle, colours=lambda m: (BLACK, WHITE))
plain("28_light_on_grey", size=side28, height=lambda m: m.u(18, 22), place=middle,
      colours=lambda m: (np.full(3, m.u(70, 140)), WHITE))
plain("28_colours", size=side28, height=lambda m: m.u(18, 22), place=middle, colours=lambda m: (m.colour(200, 255), m.colour(0, 120)))


@kind("clean")
def transparent(m):
    page, label, _ = m.put(m.size())
    colour = WHITE if m.r.random() < 0.5 else m.colour(0, 120)
    return np.dstack([np.broadcast_to(colour, (*page.shape, 3)), page * 255]), label, PNG


@kind("clean")
def jpeg(m):
    page, label, _ = m.put(m.size())
    return draw(WHITE, page, dark(m)), label, JPG


@kind("clean")
def noisy(m):
    page, label, _ = m.put(m.size())
    return draw(np.full(3, 230.0), page, dark(m)) + m.r.normal(0, m.u(5, 18), (*page.shape, 3)), label, PNG


def paper_with(m, size=None, **how):
    size = size or m.size()
    page, label, box = m.put(size, **how)
    return draw(m.paper(size), page, dark(m)), label, box


@kind("photo")
def photo(m):
    image, label, _ = paper_with(m, height=m.u(120, 380))
    return m.camera(m.tilt(image, m.u(-6, 6), 0.03, tuple(m.colour(200, 230)))), label, JPG


@kind("photo")
def photo_colour_pen(m):
    page, label, _ = m.put(m.size(), m.u(120, 380))
    ink = [(160, 60, 20), (40, 40, 190), (60, 110, 30)][m.i(0, 2)]
    return m.camera(draw(m.paper(page.shape[::-1]), page, ink)), label, JPG


def shadow(m, image, depth):
    """A straight edge across, soft."""
    h, w = image.shape[:2]
    angle, y, x = m.u(0, 6.28), *np.mgrid[0:h, 0:w].astype(np.float32)
    far = np.cos(angle) * (x - w * m.u(0.3, 0.7)) + np.sin(angle) * (y - h * m.u(0.3, 0.7))
    return image * (1 - depth / (1 + np.exp(-far / m.u(2, 25))))[..., None]


@kind("photo")
def shadow_across(m):
    image, label, _ = paper_with(m, height=m.u(140, 360))
    return m.camera(shadow(m, image, m.u(0.2, 0.4))), label, JPG


@kind("photo")
def shadow_half_light(m):
    image, label, _ = paper_with(m, height=m.u(140, 360))
    return m.camera(shadow(m, image, 0.5)), label, JPG


@kind("photo")
def whiteboard_glare(m):
    size = m.size()
    page, label, _ = m.put(size, m.u(140, 360), pen=m.u(0.05, 0.1))
    image = draw(m.paper(size, np.full(3, m.u(180, 215))), page, [(150, 50, 20), (30, 30, 180), (30, 30, 30), (60, 110, 20)][m.i(0, 3)])
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    for _ in range(m.i(1, 2)):
        far = ((x - size[0] * m.u(0, 1)) / m.u(40, 140)) ** 2 + ((y - size[1] * m.u(0, 1)) / m.u(40, 140)) ** 2
        glare = np.exp(-far)[..., None] * m.u(0.5, 1)
        image = image * (1 - glare) + 255 * glare
    return m.camera(image), label, JPG


@kind("photo")
def blackboard(m):
    size = m.size()
    page, label, _ = m.put(size, m.u(140, 360))
    chalk = np.clip(page * (1 + 0.35 * m.r.normal(0, 1, page.shape)), 0, 1).astype(np.float32)
    return m.camera(draw(m.paper(size, np.array([55.0, 70, 45])), chalk, m.colour(200, 250))), label, JPG


@kind("photo")
def other_side(m):
    """What is written on the back shows through."""
    size = m.size()
    back = np.zeros(size[::-1], np.float32)
    for _ in range(m.i(2, 5)):
        back = np.maximum(back, m.put(size, m.u(80, 200))[0])
    back = cv2.GaussianBlur(back[:, ::-1], (0, 0), 2.5)
    page, label, _ = m.put(size, m.u(160, 360))
    return m.camera(draw(draw(m.paper(size), back * m.u(0.08, 0.25), BLACK), page, m.colour(0, 60))), label, JPG


@kind("photo")
def tight_blurred(m):
    """Cut out of a photograph around the digit."""
    image, label, (x, y, w, h) = paper_with(m, height=m.u(160, 300), place=(0.5, 0.5))
    image = m.camera(image, blur=(2, 5), noise=(1, 4))
    edge = [int(m.u(0.02, 0.15) * h) for _ in range(4)]
    image = image[max(0, y - edge[0]) : y + h + edge[1], max(0, x - edge[2]) : x + w + edge[3]]
    f = m.u(0.3, 1)
    return cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_AREA), label, JPG


def rules(m, image, step, columns, colour, width=1):
    h, w = image.shape[:2]
    start = m.i(0, step)
    for y in range(start, h, step):
        cv2.line(image, (0, y), (w, y), colour, width, cv2.LINE_AA)
    for x in range(start, w, step) if columns else ():
        cv2.line(image, (x, 0), (x, h), colour, width, cv2.LINE_AA)


@kind("lines")
def ruled_paper(m):
    size = m.size()
    image = m.paper(size)
    rules(m, image, m.i(22, 60), False, (220, 170, 140))
    page, label, _ = m.put(size, m.u(120, 360))
    return m.camera(draw(image, page, dark(m)), noise=(1, 3)), label, JPG


@kind("lines")
def squared_paper(m):
    size = m.size()
    image = m.paper(size)
    rules(m, image, m.i(18, 50), True, (215, 180, 160))
    page, label, _ = m.put(size, m.u(120, 360))
    return m.camera(draw(image, page, dark(m)), noise=(1, 3)), label, JPG


@kind("lines")
def squared_paper_tilted(m):
    big = (960, 960)
    image = m.paper(big)
    rules(m, image, m.i(22, 50), True, (205, 165, 140), m.i(1, 2))
    page, label, _ = m.put(big, m.u(160, 380), place=(0.5, 0.5))
    image = m.tilt(draw(image, page, dark(m)), m.u(2, 12) * m.r.choice([-1, 1]), 0.02, (220, 220, 220))
    return m.camera(image[240:720, 160:800], noise=(1, 3)), label, JPG


def lined(count):
    def make(m):
        size = m.size()
        page, label, (x, y, w, h) = m.put(size, m.u(140, 300), place=(m.u(0.2, 0.8), m.u(0.2, 0.8)))
        image = draw(m.paper(size), page, dark(m))
        ink, width = dark(m), m.i(1, 4)
        for k in range(count):
            # One under the digit, which may stand on it, one over it, one anywhere.
            at = (y + h + m.i(-4, 30), y - m.i(-4, 40), m.i(0, size[1] - 1))[k]
            cv2.line(image, (0, at), (size[0], at + m.i(-6, 6)), ink.tolist(), width, cv2.LINE_AA)
        return m.camera(image, noise=(1, 3)), label, JPG

    return make


kind("lines", "form_line")(lined(1))
kind("lines", "two_lines")(lined(2))
kind("lines", "three_lines")(lined(3))


@kind("lines")
def struck_through(m):
    size = m.size()
    page, label, (x, y, w, h) = m.put(size, m.u(160, 300))
    image = draw(m.paper(size), page, dark(m))
    at = y + int(h * m.u(0.25, 0.75))
    cv2.line(image, (0, at), (size[0], at + m.i(-6, 6)), dark(m).tolist(), m.i(1, 3), cv2.LINE_AA)
    return m.camera(image, noise=(1, 3)), label, JPG


@kind("frames")
def border_frame(m):
    image, label, _ = paper_with(m, height=m.u(150, 330), place=(0.5, 0.5))
    h, w = image.shape[:2]
    cv2.rectangle(image, (m.i(2, 10),) * 2, (w - m.i(3, 10), h - m.i(3, 10)), dark(m).tolist(), m.i(1, 6), cv2.LINE_AA)
    return image, label, JPG


@kind("frames")
def circled(m):
    image, label, (x, y, w, h) = paper_with(m, height=m.u(110, 210), place=(m.u(0.3, 0.7), m.u(0.3, 0.7)))
    r = np.hypot(w, h) / 2 * m.u(1.1, 1.35)
    axes = (int(r * m.u(0.95, 1.1)), int(r * m.u(0.95, 1.1)))
    cv2.ellipse(image, (x + w // 2, y + h // 2), axes, m.u(0, 90), 0, 360, dark(m).tolist(), m.i(2, 9), cv2.LINE_AA)
    return m.camera(image), label, JPG


@kind("frames")
def boxed(m):
    image, label, (x, y, w, h) = paper_with(m, height=m.u(110, 220), place=(m.u(0.3, 0.7), m.u(0.3, 0.7)))
    e = [int(h * m.u(0.12, 0.35)) for _ in range(4)]
    corners = np.array([[x - e[0], y - e[1]], [x + w + e[2], y - e[1]], [x + w + e[2], y + h + e[3]], [x - e[0], y + h + e[3]]])
    corners = corners + m.r.normal(0, 3, (4, 2))
    cv2.polylines(image, [corners.astype(np.int32)], True, dark(m).tolist(), m.i(2, 8), cv2.LINE_AA)
    return m.camera(image), label, JPG


@kind("frames")
def sudoku_cell(m):
    """One cell of a grid, cut out a little too large."""
    cell = m.i(120, 300)
    page, label, _ = m.put((cell, cell), cell * m.u(0.5, 0.75), place=(m.u(0.4, 0.6), m.u(0.4, 0.6)))
    image = m.paper((3 * cell, 3 * cell))
    full = np.zeros((3 * cell,) * 2, np.float32)
    full[cell : 2 * cell, cell : 2 * cell] = page
    image = draw(image, full, dark(m))
    for k in (1, 2):
        cv2.line(image, (0, k * cell), (3 * cell, k * cell), (30, 30, 30), m.i(2, 7), cv2.LINE_AA)
        cv2.line(image, (k * cell, 0), (k * cell, 3 * cell), (30, 30, 30), m.i(2, 7), cv2.LINE_AA)
    image = m.tilt(image, m.u(-3, 3), 0.01, (235, 235, 235))
    e = int(cell * m.u(0, 0.12))
    return m.camera(image[cell - e : 2 * cell + e, cell - e : 2 * cell + e]), label, JPG


def sheet_on_table(degrees, warp):
    def make(m):
        size, table = (m.i(220, 330), m.i(220, 330)), (640, 480)
        image, label, _ = paper_with(m, size, height=m.u(110, 190), place=(m.u(0.2, 0.8), m.u(0.2, 0.8)))
        canvas = np.dstack([m.wood(table), np.zeros(table[::-1])])
        sheet = np.dstack([image, np.ones(size[::-1])])
        full = np.zeros((*table[::-1], 4))
        x, y = (table[0] - size[0]) // 2, (table[1] - size[1]) // 2
        full[y : y + size[1], x : x + size[0]] = sheet
        full = m.tilt(full, degrees(m), warp, (0, 0, 0, 0))
        on = np.clip(full[..., 3:], 0, 1)
        image = canvas[..., :3] * (1 - on) + full[..., :3] * on
        return m.camera(np.roll(image, (m.i(-40, 40), m.i(-100, 100)), (0, 1))), label, JPG

    return make


kind("frames", "sheet_upright")(sheet_on_table(lambda m: m.u(-1, 1), 0.0))
kind("frames", "sheet_tilted")(sheet_on_table(lambda m: m.u(3, 14) * m.r.choice([-1, 1]), 0.01))
kind("frames", "sheet_perspective")(sheet_on_table(lambda m: m.u(-8, 8), 0.07))


def nothing(make):
    KINDS["nothing_" + make.__name__] = ("none", lambda m: (make(m), "none", PNG if m.r.random() < 0.5 else JPG))


nothing(type("", (), {"__name__": "flat", "__call__": lambda s, m: np.ones((*m.size(), 3)) * m.r.choice([0, 255, m.u(0, 255)])})())
nothing(type("", (), {"__name__": "noise", "__call__": lambda s, m: m.u(60, 200) + m.r.normal(0, m.u(3, 40), (*m.size(), 3))})())
nothing(type("", (), {"__name__": "table", "__call__": lambda s, m: m.camera(m.wood(m.size()))})())
nothing(type("", (), {"__name__": "blank_page", "__call__": lambda s, m: m.camera(m.paper(m.size()))})())


@nothing
def gradient(m):
    w, h = m.size()
    y, x = np.mgrid[0:h, 0:w] / np.array([h, w]).reshape(2, 1, 1)
    along = x * m.u(-1, 1) + y * m.u(-1, 1)
    return np.clip(m.u(60, 200) + along * m.u(40, 150), 0, 255)[..., None] * np.ones(3)


@nothing
def specks(m):
    image = m.paper(m.size())
    for _ in range(m.i(3, 40)):
        at = (m.i(0, image.shape[1]), m.i(0, image.shape[0]))
        cv2.circle(image, at, m.i(1, 3), dark(m).tolist(), -1, cv2.LINE_AA)
    return image


@nothing
def checkerboard(m):
    w, h = m.size()
    y, x = np.mgrid[0:h, 0:w] // m.i(12, 80)
    return np.where((x + y) % 2, 240.0, 20.0)[..., None] * np.ones(3)


@nothing
def text(m):
    image = np.clip(m.paper((900, 300)), 0, 255).astype(np.uint8)
    words = " ".join("".join(chr(m.i(97, 122)) for _ in range(m.i(2, 7))) for _ in range(m.i(3, 6)))
    cv2.putText(image, words, (20, 160), m.i(0, 4), m.u(0.8, 1.6), dark(m).tolist(), m.i(1, 3), cv2.LINE_AA)
    return image


@nothing
def letter(m):
    image = np.clip(m.paper((480, 480)), 0, 255).astype(np.uint8)
    letter = "ABEFGHKMNPRTWXYadefhkmnrtwxy"[m.i(0, 27)]
    cv2.putText(image, letter, (120, 340), m.i(0, 4), m.u(6, 10), dark(m).tolist(), m.i(12, 30), cv2.LINE_AA)
    return image


def several(count):
    def make(m):
        size = (220 * count + 60, 400)
        image, height = m.paper(size), m.u(140, 240)
        for k in range(count):
            ink, _ = m.digit(height * m.u(0.85, 1.15))
            ink = ink[:, : 200 * 1] if ink.shape[1] > 200 else ink
            x, y = 40 + 220 * k + (200 - ink.shape[1]) // 2, int((400 - ink.shape[0]) / 2 + m.u(-20, 20))
            part = image[y : y + ink.shape[0], x : x + ink.shape[1]]
            part[:] = draw(part, ink[:, : part.shape[1]], dark(m))
        return m.camera(image)

    return make


KINDS["several_two"] = ("none", lambda m: (several(2)(m), "none", JPG))
KINDS["several_more"] = ("none", lambda m: (several(m.i(3, 6))(m), "none", JPG))


def plain_as(name, end, **how):
    plain(name, **how)
    group, make = KINDS[name]
    KINDS[name] = (group, lambda m: (*make(m)[:2], end))


near28 = lambda m: tuple(28 + m.i(-6, 12) for _ in range(2))
plain("near_28_black_on_white", size=near28, height=lambda m: m.u(15, 20), place=lambda m: (m.u(0.3, 0.7), m.u(0.3, 0.7)))
plain("near_28_white_on_black", size=near28, height=lambda m: m.u(15, 20), place=middle, colours=lambda m: (BLACK, WHITE))
plain("very_small", size=lambda m: (1600, 1200), height=lambda m: m.u(55, 80), pen=lambda m: m.u(0.07, 0.14))
plain("very_thick_pen", pen=lambda m: m.u(0.22, 0.27))
plain("colour_pen_on_colour_paper", colours=lambda m: (m.colour(150, 255), m.colour(0, 110)), pen=lambda m: m.u(0.05, 0.1))
plain_as("png_16_bit", DEEP)
plain_as("png_palette", PALETTE)
plain_as("jpeg_artefacts", POOR)


@kind("photo")
def vignette(m):
    image, label, _ = paper_with(m, height=m.u(140, 360))
    h, w = image.shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    far = np.hypot((x - w / 2) / w, (y - h / 2) / h) / 0.7
    return m.camera(image * (1 - m.u(0.3, 0.7) * far**m.u(2, 4))[..., None]), label, JPG


@kind("photo")
def photo_on_colour_paper(m):
    size = m.size()
    page, label, _ = m.put(size, m.u(120, 380))
    paper = m.colour(120, 250)
    while True:
        ink = m.colour(10, 150)
        if grey(paper) - grey(ink) > 70:
            return m.camera(draw(m.paper(size, paper), page, ink)), label, JPG


@kind("lines")
def ruled_paper_tilted(m):
    big = (960, 960)
    image = m.paper(big)
    rules(m, image, m.i(26, 60), False, (205, 165, 140), m.i(1, 2))
    page, label, _ = m.put(big, m.u(160, 380), place=(0.5, 0.5))
    image = m.tilt(draw(image, page, dark(m)), m.u(2, 12) * m.r.choice([-1, 1]), 0.02, (220, 220, 220))
    return m.camera(image[240:720, 160:800], noise=(1, 3)), label, JPG


@kind("frames")
def circled_with_dots(m):
    image, label, (x, y, w, h) = paper_with(m, height=m.u(110, 210), place=(m.u(0.3, 0.7), m.u(0.3, 0.7)))
    r, n = np.hypot(w, h) / 2 * m.u(1.15, 1.35), m.i(18, 40)
    colour, size = dark(m).tolist(), m.i(2, 5)
    for k in range(n):
        at = (x + w / 2 + r * np.cos(6.283 * k / n), y + h / 2 + r * np.sin(6.283 * k / n))
        cv2.circle(image, (int(at[0]), int(at[1])), size, colour, -1, cv2.LINE_AA)
    return m.camera(image), label, JPG


@kind("frames")
def boxed_with_dashes(m):
    image, label, (x, y, w, h) = paper_with(m, height=m.u(110, 220), place=(m.u(0.3, 0.7), m.u(0.3, 0.7)))
    e, colour, width = int(h * m.u(0.15, 0.35)), dark(m).tolist(), m.i(2, 6)
    dash = m.i(8, 24)
    left, top, right, bottom = x - e, y - e, x + w + e, y + h + e
    for a in range(left, right, 2 * dash):
        for b in (top, bottom):
            cv2.line(image, (a, b), (min(a + dash, right), b), colour, width, cv2.LINE_AA)
    for b in range(top, bottom, 2 * dash):
        for a in (left, right):
            cv2.line(image, (a, b), (a, min(b + dash, bottom)), colour, width, cv2.LINE_AA)
    return m.camera(image), label, JPG


def write(path, image, end, quality):
    """One picture, as a file of what `end` says."""
    image = np.clip(image, 0, 255)
    if end == DEEP:
        cv2.imwrite(f"{path}.png", (image * 257).astype(np.uint16))
    elif end == PALETTE:
        Image.fromarray(image.astype(np.uint8)[..., ::-1]).quantize(16).save(f"{path}.png")
    elif end == PNG:
        cv2.imwrite(f"{path}.png", image.astype(np.uint8))
    else:
        cv2.imwrite(f"{path}.jpg", image.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality // 4 if end == POOR else quality])


def make_pictures(folder, each, kinds=None, data=DATA, split="train", seed=1):
    """Writes FOLDER/GROUP/KIND/NUMBER_LABEL.*, `each` of each kind."""
    for number, (name, (group, make)) in enumerate(KINDS.items()):
        if kinds and name not in kinds:
            continue
        m = Maker([seed, number], data, split)
        to = folder / group / name
        to.mkdir(parents=True, exist_ok=True)
        for n in range(each):
            image, label, end = make(m)
            write(to / f"{n:04}_{label}", image, end, m.i(60, 95) if end in (JPG, POOR) else 0)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("folder", type=Path)
    args.add_argument("--each", type=int, default=100, help="pictures of each kind")
    args.add_argument("--kinds", nargs="*", help="only these")
    args.add_argument("--data", type=Path, default=DATA, help="folder of the IDX files")
    args.add_argument("--split", choices=("train", "test"), default="train", help="whose digits")
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    make_pictures(args.folder, args.each, args.kinds, args.data, args.split, args.seed)


if __name__ == "__main__":
    main()
