"""A drawn talking head in any pose.

A frame bends the still picture of `toon_head` (jaw, head turn) and draws eyes, brows and mouth anew by their shapes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dubbench.datasets.toon.head import CENTRE, EYE_Y, MOUTH_Y, SIZE, Float, Image, Look, Rgb, paint_head, paint_wall

EYE_DISTANCE = 62.0
"""Between the centres of the eyes, in pixels."""
MAX_GAPE = 25.0
"""Inner-lip gap at ``Pose.open`` = 1, in pixels."""

_SUB = 4  # drawing positions carry this many fractional bits
_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Pose:
    """One frame of a face.

    ``open`` (inner-lip gap / `MAX_GAPE`), ``wide``, ``round``, ``tuck`` (lower lip under the teeth), ``teeth``,
    ``smile``, ``brow`` (raised) and ``blink`` (shut) are 0 to 1; ``gaze``, ``shift``, ``yaw`` and ``nod`` are pixels
    (the last two: at the tip of the nose), ``roll`` is in radians.
    """

    open: float = 0.0
    wide: float = 0.0
    round: float = 0.0
    tuck: float = 0.0
    teeth: float = 0.0
    smile: float = 0.0
    brow: float = 0.0
    blink: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    yaw: float = 0.0
    nod: float = 0.0
    roll: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)


class Face:
    """A head that can be drawn in any `Pose`; `draw` is pure."""

    def __init__(self, look: Look) -> None:
        self.look = look
        head, cover, height = paint_head(look)
        self._head = np.clip(head, 0, 255).astype(np.uint8)
        self._cover = (cover * 255).astype(np.uint8)
        self._depth = cv2.GaussianBlur((height / 75 * cover).astype(np.float32), (0, 0), 4)
        self._wall = paint_wall(look).astype(np.float32)
        fall = np.clip((_Y - 158) / 40, 0, 1)  # how far a point follows the jaw: 0 under the nose, 1 at the chin
        self._jaw = (fall**2 * (3 - 2 * fall) * np.exp(-(((_X - CENTRE) / 62) ** 4))).astype(np.float32)

    def draw(self, pose: Pose) -> Image:
        """The face as (256, 256, 3) uint8 RGB."""
        low = 150  # nothing above this row follows the jaw
        drop = _Y[low:] - np.float32(0.62 * MAX_GAPE * pose.open) * self._jaw[low:]
        picture, cover = self._head.copy(), self._cover.copy()
        cv2.remap(self._head, _X[low:], drop, cv2.INTER_LINEAR, picture[low:], cv2.BORDER_REPLICATE)
        cv2.remap(self._cover, _X[low:], drop, cv2.INTER_LINEAR, cover[low:])
        for side in (-1, 1):
            self._draw_eye(picture, side, pose)
        self._draw_mouth(picture, pose)

        cos, sin = np.float32(np.cos(pose.roll)), np.float32(np.sin(pose.roll))
        x, y = _X - np.float32(CENTRE + pose.shift[0]), _Y - np.float32(190 + pose.shift[1])
        from_x = cos * x + sin * y + np.float32(CENTRE) - np.float32(pose.yaw) * self._depth
        from_y = cos * y - sin * x + np.float32(190) - np.float32(pose.nod) * self._depth
        picture = cv2.remap(picture, from_x, from_y, cv2.INTER_LINEAR)
        share = cv2.remap(cover, from_x, from_y, cv2.INTER_LINEAR).astype(np.float32)[..., None] / np.float32(255)
        mixed = self._wall + (picture - self._wall) * share
        return np.asarray(cv2.GaussianBlur(mixed.astype(np.uint8), (3, 3), 0.55), np.uint8)

    def _draw_eye(self, picture: Image, side: int, pose: Pose) -> None:
        look, blink = self.look, pose.blink
        cx, cy = CENTRE + side * EYE_DISTANCE / 2, EYE_Y
        u = np.linspace(-1, 1, 15)
        x = cx + 14.5 * u
        lower = cy + 4.8 * (1 - u**2) - 1.5 * pose.smile * (1 - u**2)
        upper = np.minimum(cy - 0.5 - 7.6 * (1 - blink) * (1 - np.abs(u) ** 2.2) + 3 * blink * (1 - u**2), lower)
        x0, y0 = int(cx - 19), int(cy - 14)
        window = picture[y0 : y0 + 26, x0 : x0 + 39]
        hole = np.zeros(window.shape[:2], np.uint8)
        _fill(hole, _outline(x - x0, upper - y0, lower - y0), 255)
        ball = np.full_like(window, (230, 225, 221))
        px, py = cx + pose.gaze[0] - x0, cy - 1.2 + pose.gaze[1] - y0
        rim = _scaled(look.iris, 0.55)
        for radius, colour in ((6.8, rim), (5.8, look.iris), (2.9, (18, 14, 12))):
            _disc(ball, px, py, radius, colour)
        _disc(ball, px - 2, py - 2.4, 1.3, (248, 248, 248))
        depth = np.arange(y0, y0 + 26)[:, None] - np.interp(np.arange(x0, x0 + 39), x, upper)[None]
        shadow = (0.6 + 0.4 * np.clip(depth / 5, 0, 1)).astype(np.float32)[..., None]  # cast by the lid
        _blend(window, ball * shadow, hole)
        crease = _scaled(look.skin, 0.58)
        _line(picture, x, upper, _scaled(look.skin, 0.28), 2)
        _line(picture, x, cy - 1.5 - 10.5 * (1 - np.abs(u) ** 2.2) + 2 * blink, crease, 1)
        _line(picture, x, lower, crease, 1)
        outward = u * side
        arch = cy - 16 - 6 * pose.brow - 4.5 * (1 - (outward - 0.25) ** 2)
        thick = look.brow * (0.45 + 0.55 * np.clip((1 - outward) / 1.4, 0, 1))
        brow = np.zeros((48, 60), np.uint8)
        x0, y0 = int(cx - 30), int(cy - 44)
        _fill(brow, _outline(cx + 2 * side + 19 * u - x0, arch - thick / 2 - y0, arch + thick / 2 - y0), 217)
        window = picture[y0 : y0 + 48, x0 : x0 + 60]
        _blend(window, np.full_like(window, _scaled(look.hair, 0.8)), brow)

    def _draw_mouth(self, picture: Image, pose: Pose) -> None:
        look, gap = self.look, MAX_GAPE * pose.open
        half = look.mouth * (1 + 0.13 * pose.wide - 0.32 * pose.round + 0.1 * pose.smile - 0.1 * pose.open)
        u = np.linspace(-1, 1, 25)
        x = CENTRE + half * u
        rest = MOUTH_Y - 3.2 * pose.smile * np.abs(u) ** 2.2 + 0.8 * (1 - np.abs(u))
        inner = np.clip(1 - np.abs(u / 0.84) ** 2.2, 0, 1) ** 0.6
        outer = np.clip(1 - np.abs(u) ** 2.4, 0, 1)
        full = look.lip * (1 + 0.25 * pose.round)
        upper_in, lower_in = rest - 0.25 * gap * inner, rest + 0.75 * gap * inner
        upper_out = upper_in - 0.78 * full * outer**0.8 + 1.4 * np.exp(-((u / 0.16) ** 2))
        lower_out = lower_in + 1.15 * full * outer**0.75 * (1 - 0.45 * pose.tuck)

        x0, y0 = int(CENTRE - 42), int(MOUTH_Y - 28)
        window = picture[y0 : y0 + 80, x0 : x0 + 84]
        if gap > 0.4:
            hole = np.zeros(window.shape[:2], np.uint8)
            _fill(hole, _outline(x - x0, upper_in - y0, lower_in - y0), 255)
            _blend(window, self._inside(pose, half, upper_in - y0, lower_in - y0), cv2.GaussianBlur(hole, (3, 3), 0.6))
        columns, rows = np.arange(x0, x0 + 84), np.arange(y0, y0 + 80, dtype=np.float32)[:, None]

        def along(a: NDArray[np.float64], b: NDArray[np.float64]) -> Float:
            """How far each pixel lies between two curves, 0 to 1."""
            start, end = np.interp(columns, x, a)[None], np.interp(columns, x, b)[None]
            return np.clip((rows - start) / np.maximum(end - start, 1), 0, 1).astype(np.float32)

        shine = np.exp(-(((columns - CENTRE + 4) / (0.5 * half)) ** 2))[None]
        down = along(lower_in, lower_out)
        light_low = 0.86 + 0.3 * np.exp(-(((down - 0.42) / 0.22) ** 2)) * shine - 0.15 * down
        light_up = 0.86 - 0.22 * along(upper_out, upper_in)
        lips = np.array(look.lips, np.float32)
        for top, bottom, light in ((upper_out, upper_in, light_up), (lower_in, lower_out, light_low)):
            lip = np.zeros(window.shape[:2], np.uint8)
            _fill(lip, _outline(x - x0, top - y0, bottom - y0), 235)
            tone = np.minimum(lips * light.astype(np.float32)[..., None], 255)
            _blend(window, tone, cv2.GaussianBlur(lip, (5, 5), 0.7))
        if gap < 3:
            _line(picture, x, (upper_in + lower_in) / 2, _scaled(look.lips, 0.42), 1)
        for side in (-1, 1):
            _disc(picture, CENTRE + side * (half - 0.5), float(rest[0]) + 0.5, 1.6, _scaled(look.lips, 0.5))

    @staticmethod
    def _inside(pose: Pose, half: float, upper: NDArray[np.float64], lower: NDArray[np.float64]) -> Image:
        """The dark of the mouth with tongue and teeth, in the mouth window whose lip curves are given."""
        gap, cx = MAX_GAPE * pose.open, 42.0
        inside = np.full((80, 84, 3), (58, 20, 22), np.uint8)
        u = np.linspace(-1, 1, len(upper))
        axes = (int(0.55 * half * 16), int(max(3.0, 0.38 * gap) * 16))
        centre = (int(cx * 16), int((float(lower[len(u) // 2]) + 5) * 16))
        cv2.ellipse(inside, centre, axes, 0.0, 0.0, 360.0, (150, 66, 66), -1, cv2.LINE_AA, _SUB)
        t = np.linspace(-1, 1, 13)
        gum = np.interp(0.8 * t, u, upper)
        long = min(1.2 + 0.26 * gap + 2 * pose.teeth, 6.5)
        _fill(inside, _outline(cx + 0.72 * t * half, gum - 2, gum + long * (1 - 0.5 * t**2)), (226, 220, 208))
        if pose.teeth > 0.3 or gap > 12:
            gum = np.interp(0.6 * t, u, lower)
            _fill(inside, _outline(cx + 0.55 * t * half, gum - 2.2 * pose.teeth - 0.8, gum + 2), (196, 188, 176))
        return inside


def _scaled(colour: Rgb, factor: float) -> Rgb:
    return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))


def _outline(x: NDArray[np.float64], top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.int32]:
    """The closed shape between two curves over ``x``, as fixed-point vertices."""
    points = np.concatenate([np.stack([x, top], 1), np.stack([x, bottom], 1)[::-1]])
    return np.round(points * (1 << _SUB)).astype(np.int32)


def _fill(image: Image, outline: NDArray[np.int32], colour: int | Rgb) -> None:
    cv2.fillPoly(image, [outline], colour, cv2.LINE_AA, _SUB)


def _line(image: Image, x: NDArray[np.float64], y: NDArray[np.float64], colour: Rgb, width: int) -> None:
    points = np.round(np.stack([x, y], 1) * (1 << _SUB)).astype(np.int32)
    cv2.polylines(image, [points], False, colour, width, cv2.LINE_AA, _SUB)


def _disc(image: Image, x: float, y: float, radius: float, colour: Rgb) -> None:
    cv2.circle(image, (round(x * 16), round(y * 16)), int(radius * 16), colour, -1, cv2.LINE_AA, _SUB)


def _blend(window: Image, colour: NDArray[np.floating] | Image, mask: Image) -> None:
    """Lay ``colour`` over ``window`` where ``mask`` (0 to 255) says, in place."""
    share = mask.astype(np.float32)[..., None] / np.float32(255)
    window[:] = (window + (colour - window.astype(np.float32)) * share).astype(np.uint8)
