"""What pictures of digits are made of: ink, paper, tables, cameras. Used by kinds.py."""

import gzip

import cv2
import numpy as np

cv2.setNumThreads(1)

# Pens' ways on a square of 1 × 1, a list of strokes for each of a digit's shapes.
STROKES = {
    0: [["50,0 15,15 5,50 15,85 50,100 85,85 95,50 85,15 50,0"], ["60,2 25,10 12,50 22,90 50,98 80,88 88,50 80,15 55,1"]],
    1: [["50,0 50,50 50,100"], ["30,22 55,0 52,50 50,100"]],
    2: [["10,25 25,3 65,0 88,20 75,50 40,75 8,98", "8,98 50,96 95,100"], ["15,20 45,0 80,12 78,40 45,75 10,100", "10,100 90,98"]],
    3: [["12,12 45,0 80,10 75,38 42,48", "42,48 82,58 88,85 50,100 10,88"], ["10,5 50,0 85,15 70,42 40,47 80,55 92,78 60,99 12,92"]],
    4: [["62,0 30,40 5,68 50,68 95,66", "66,30 66,70 64,100"], ["15,0 12,30 15,52 50,56 85,50", "82,0 80,50 76,100"]],
    5: [["85,2 50,2 22,3", "22,3 18,25 15,45 50,38 85,52 88,80 50,100 10,90"], ["80,0 25,4", "25,4 20,42 60,38 90,62 75,92 40,100 8,88"]],
    6: [["75,2 40,20 15,55 18,88 50,100 82,85 80,60 50,50 20,66"], ["65,0 25,35 10,70 30,97 65,97 85,75 65,52 30,58 14,75"]],
    7: [["5,3 50,2 92,2", "92,2 65,50 45,100"], ["8,8 45,4 90,3", "90,3 60,45 40,100", "30,52 55,50 80,49"]],
    8: [["80,12 50,0 20,12 25,35 50,48 80,68 78,92 48,100 18,90 22,65 50,48 78,30 80,12"],
        ["50,47 22,30 30,5 60,0 80,15 72,38 50,47 20,65 18,90 50,100 82,90 80,62 50,47"]],
    9: [["85,30 70,5 35,2 12,25 25,50 60,50 84,28", "86,20 84,60 72,100"], ["82,22 55,0 20,12 15,40 45,52 80,35", "84,8 80,50 55,98"]],
}


def read_idx(path):
    raw = gzip.decompress(path.read_bytes())
    dims = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(dims)


class Maker:
    """Random digits, papers and photographs."""

    def __init__(self, seed, data, split):
        self.r = np.random.default_rng(seed)
        name = "t10k" if split == "test" else "train"
        files = [data / f"{name}-{part}-ubyte.gz" for part in ("images-idx3", "labels-idx1")]
        self.mnist = [read_idx(f) for f in files] if files[0].exists() else None

    def u(self, low, high):
        return float(self.r.uniform(low, high))

    def i(self, low, high):
        return int(self.r.integers(low, high + 1))

    def digit(self, height, pen=None, label=None):
        """(ink from 0 to 1 in its own box, about `height` pixels high; label). `pen` is a share of the height."""
        if self.mnist and pen is None and self.r.random() < 0.5:
            images, labels = self.mnist
            k = self.i(0, len(labels) - 1)
            while label is not None and labels[k] != label:
                k = self.i(0, len(labels) - 1)
            image = np.pad(images[k].astype(np.float32) / 255, 2)
            ys, xs = np.nonzero(image > 0.1)
            image = image[ys.min() - 1 : ys.max() + 2, xs.min() - 1 : xs.max() + 2]
            f = height / (image.shape[0] - 2)
            if f > 1.5:  # Smooth at any size: enlarged, then a soft threshold.
                image = cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_CUBIC)
                image = np.clip((cv2.GaussianBlur(image, (0, 0), f * 0.35) - 0.42) * f * 0.8 + 0.5, 0, 1)
            else:
                image = cv2.resize(image, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
            return trim(image), int(labels[k])
        label = self.i(0, 9) if label is None else label
        pen = self.u(0.06, 0.14) if pen is None else pen
        shapes = STROKES[label]
        width, slant = self.u(0.5, 0.8), self.u(-0.15, 0.2)
        up = 4 if height * pen < 12 else 1
        canvas = np.zeros((int(height * 2.2 * up),) * 2, np.uint8)
        for stroke in shapes[self.i(0, len(shapes) - 1)]:
            points = np.array([[float(v) for v in p.split(",")] for p in stroke.split()]) / 100
            points = points + self.r.normal(0, 0.018, points.shape)
            way = smooth(points)
            x, y = (way[:, 0] - 0.5) * width + slant * (0.5 - way[:, 1]) + 1.1, way[:, 1] + 0.6
            at = np.stack([x, y], 1) * height * up * 8
            cv2.polylines(canvas, [at.astype(np.int32)], False, 255, max(1, round(pen * height * up)), cv2.LINE_AA, 3)
        image = canvas.astype(np.float32) / 255
        if up > 1:
            image = cv2.resize(image, None, fx=1 / up, fy=1 / up, interpolation=cv2.INTER_AREA)
        return trim(image), label

    def put(self, size, height=None, pen=None, place=None, label=None):
        """(ink on a page of size (w, h), label, box)."""
        w, h = size
        height = height or self.u(0.25, 0.75) * min(w, h)
        ink, label = self.digit(height, pen, label)
        if max(ink.shape[0] / h, ink.shape[1] / w) > 0.98:
            f = 0.97 / max(ink.shape[0] / h, ink.shape[1] / w)
            ink = cv2.resize(ink, None, fx=f, fy=f, interpolation=cv2.INTER_AREA)
        ih, iw = ink.shape
        fx, fy = place or (self.u(0.05, 0.95), self.u(0.05, 0.95))
        x, y = int((w - iw) * fx), int((h - ih) * fy)
        page = np.zeros((h, w), np.float32)
        page[y : y + ih, x : x + iw] = ink
        return page, label, (x, y, iw, ih)

    def colour(self, low, high):
        return self.r.uniform(low, high, 3)

    def pair(self, contrast=90):
        while True:
            paper, ink = self.colour(0, 255), self.colour(0, 255)
            if abs(grey(paper) - grey(ink)) > contrast:
                return paper, ink

    def paper(self, size, base=None):
        """Paper under a lamp: a slow change of light and a little grain, as BGR floats."""
        w, h = size
        base = self.colour(215, 250) if base is None else base
        small = self.r.normal(1, 0.02, (3, 3)).astype(np.float32)
        light = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
        grain = self.r.normal(0, 1.5, (h, w)).astype(np.float32)
        return base * light[..., None] + grain[..., None]

    def wood(self, size):
        """A table: brown, grey or dark, with streaks."""
        w, h = size
        base = np.array([[60, 90, 130], [110, 110, 110], [40, 50, 60], [90, 130, 170], [70, 60, 50]][self.i(0, 4)])
        streaks = cv2.GaussianBlur(self.r.normal(0, 1, (h, w)).astype(np.float32), (0, 0), sigmaX=w / 12, sigmaY=1.2)
        return np.clip(base * (1 + 0.06 * streaks / streaks.std())[..., None], 0, 255)

    def camera(self, image, blur=(0.4, 1.4), noise=(1, 5)):
        """Light from a side, blur, noise."""
        h, w = image.shape[:2]
        angle, drop = self.u(0, 6.28), self.u(0, 0.35)
        y, x = np.mgrid[0:h, 0:w].astype(np.float32)
        along = (np.cos(angle) * (x / w - 0.5) + np.sin(angle) * (y / h - 0.5)) + 0.5
        image = image * (1 - drop * along)[..., None]
        image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), self.u(*blur) * max(h, w) / 600)
        return image + self.r.normal(0, self.u(*noise), (h, w, 1))

    def tilt(self, image, degrees, warp, fill):
        """Turned and seen from the side."""
        h, w = image.shape[:2]
        a = np.deg2rad(degrees)
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
        middle = corners.mean(0)
        turned = (corners - middle) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + middle
        turned += self.r.uniform(-warp, warp, (4, 2)) * min(w, h)
        m = cv2.getPerspectiveTransform(corners, turned.astype(np.float32))
        return cv2.warpPerspective(image, m, (w, h), borderMode=cv2.BORDER_CONSTANT, borderValue=fill)

    def size(self):
        return (640, 480) if self.r.random() < 0.5 else (480, 640)


def smooth(points):
    """Catmull-Rom through the points."""
    p = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    parts = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:]):
        parts.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(parts + [points[-1:]])


def trim(ink):
    ys, xs = np.nonzero(ink > 0.05)
    return ink[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]


def grey(bgr):
    return float(np.dot(bgr, [0.114, 0.587, 0.299]))


def draw(paper, ink, colour):
    """`paper` (an image or one colour) under `ink`."""
    return paper * (1 - ink[..., None]) + np.asarray(colour) * ink[..., None]


def dark(m):
    return m.colour(5, 90)
