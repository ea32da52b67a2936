"""The still part of a drawn talking head: skin, hair and what is behind them, painted once a speaker.

The skin is a height field (skull, nose, cheeks, brows, lips) under two lights, with flushed cheeks and dark creases:
shaded enough that a face landmarker trained on photographs finds it. Positions are pixels of the 256 x 256 picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 256
"""Width and height of the picture in pixels."""
CENTRE, EYE_Y, MOUTH_Y = 128.0, 112.0, 175.0
"""Where the middle of the face, the eyes and the line between the lips lie at rest."""
_TOP = 38.0

Rgb: TypeAlias = tuple[int, int, int]
Float: TypeAlias = NDArray[np.float32]
Image: TypeAlias = NDArray[np.uint8]

_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


@dataclass(frozen=True, slots=True)
class Look:
    """What a speaker looks like: colours as RGB, lengths in pixels (``jaw``: chin width as a share of the face's)."""

    skin: Rgb
    hair: Rgb
    lips: Rgb
    iris: Rgb
    shirt: Rgb
    wall: Rgb
    style: Literal["short", "long", "cropped"] = "short"
    width: float = 66.0
    chin: float = 222.0
    jaw: float = 0.8
    brow: float = 4.0
    mouth: float = 25.0
    lip: float = 7.0
    nose: float = 1.0


def _bump(x: float, y: float, wide: float, high: float) -> Float:
    return np.asarray(np.exp(-(((_X - x) / wide) ** 2) / 2 - ((_Y - y) / high) ** 2 / 2), np.float32)


def _pair(x: float, y: float, wide: float, high: float) -> Float:
    """The same bump on both sides, ``x`` pixels from the middle."""
    return _bump(CENTRE - x, y, wide, high) + _bump(CENTRE + x, y, wide, high)


def _soft(mask: NDArray[np.bool_], sigma: float) -> Float:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), np.float32)


def paint_head(look: Look) -> tuple[Float, Float, Float]:
    """Colour (256, 256, 3), cover (256, 256, 0 to 1) and height (256, 256, pixels) of the head with its hair."""
    middle, reach = (_TOP + look.chin) / 2, (look.chin - _TOP) / 2
    long = np.clip((_Y - _TOP) / (look.chin - _TOP), 0, 1)  # 0 at the crown, 1 at the chin
    above, below = np.clip(0.45 - long, 0, 1) / 0.45, np.clip(long - 0.45, 0, 1) / 0.55
    half = look.width * np.sqrt(np.clip(1 - above**2.4, 0, 1)) * np.sqrt(np.clip(1 - below**2.6, 0, 1))
    half *= 1 - (1 - look.jaw) * below**1.2
    edge = np.abs(_X - CENTRE) - np.where(np.abs(_Y - middle) > reach, -5, half)  # below 0: inside the face
    face = _soft(edge < 0, 1.0)

    round_ = np.clip(0.95 * ((_X - CENTRE) / look.width) ** 2 + 0.9 * ((_Y - middle) / reach) ** 2, 0, 0.97)
    z = 62 * np.sqrt(1 - round_)
    z += (
        13 * _bump(CENTRE, 143, 7.5 * look.nose, 9) + 9 * _bump(CENTRE, 128, 5.5, 14) + 3.5 * _pair(10, 148, 5, 4.5)
    )  # nose
    z += 4 * _pair(31, 95, 18, 6) - 6.5 * _pair(28, 112, 15, 8) + 5 * _pair(38, 146, 15, 13)  # brows, sockets, cheeks
    z += 4.5 * _bump(CENTRE, MOUTH_Y, 24, 14) + 4 * _bump(CENTRE, look.chin - 16, 15, 9)
    z -= 3 * _bump(CENTRE, MOUTH_Y + 17, 14, 5) + 1.6 * _bump(CENTRE, 160, 3, 6)
    z = cv2.GaussianBlur(z.astype(np.float32), (0, 0), 1.2)

    down, right = np.gradient(z)
    normal = np.stack([-right, -down, np.ones_like(z)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    key, fill = (np.array(v) / np.linalg.norm(v) for v in ((-0.38, -0.5, 0.78), (0.6, -0.1, 0.6)))
    halfway = key + np.array((0.0, 0.0, 1.0))
    halfway /= np.linalg.norm(halfway)
    light = 0.4 + 0.62 * np.clip(normal @ key, 0, 1) + 0.12 * np.clip(normal @ fill, 0, 1)
    gloss = 0.16 * np.clip(normal @ halfway, 0, 1) ** 28

    flush = 0.5 * _pair(36, 150, 15, 12) + 0.5 * _bump(CENTRE, 146, 11, 8) + 0.3 * _bump(CENTRE, look.chin - 14, 16, 10)
    skin = np.array(look.skin, np.float32) * (1 - flush[..., None] * np.array([0.02, 0.13, 0.11], np.float32))
    dark = 0.28 * _pair(31, 104, 17, 4) + 0.22 * _pair(31, 122, 14, 3) + 0.3 * _pair(15.5, 146, 2, 5)
    nostrils = 0.75 * np.clip(1.1 * _pair(7 * look.nose, 153.5, 3.2, 1.7), 0, 1) + 0.25 * _bump(CENTRE, 156, 10, 2.2)
    rim = 0.25 * np.clip(1 + edge / 9, 0, 1) * (edge < 0)
    colour = (skin * light[..., None] + 255 * gloss[..., None]) * ((1 - dark) * (1 - nostrils) * (1 - rim))[..., None]

    ears = ((np.abs(_X - CENTRE) - look.width - 1) / 8) ** 2 + ((_Y - 128) / 17) ** 2 < 1
    colour = colour * face[..., None] + np.array(look.skin, np.float32) * 0.68 * (1 - face[..., None])
    hair = _hair(look, edge)
    colour *= 1 - (np.clip(cv2.GaussianBlur(hair, (0, 0), 4) * 0.5, 0, 0.5) * (1 - hair))[..., None]  # its shadow
    strands = np.random.default_rng(3).normal(0, 1, (SIZE, SIZE)).astype(np.float32)
    strands = cv2.GaussianBlur(strands, (0, 0), sigmaX=0.9, sigmaY=7)
    sheen = np.clip(
        0.72 + 0.5 * _bump(CENTRE - 18, 52, 34, 16) + 0.4 * strands - 0.25 * np.clip((_Y - 120) / 100, 0, 1), 0.2, 1.7
    )
    colour = colour * (1 - hair[..., None]) + np.array(look.hair, np.float32) * (sheen * hair)[..., None]
    cover = np.maximum(np.maximum(face, _soft(ears, 0.8)), hair)
    return colour.astype(np.float32), cover, z


def _hair(look: Look, edge: Float) -> Float:
    """Where hair is, 0 to 1."""
    wide, high, start = {"short": (9, 82, 82), "long": (15, 90, 80), "cropped": (3, 72, 74)}[look.style]
    angle = np.clip((_X - CENTRE) / look.width, -1.3, 1.3) * 1.35
    line = start - (26 if look.style != "cropped" else 20) * np.cos(angle)
    cap = ((_X - CENTRE) / (look.width + wide)) ** 2 + ((_Y - 104) / high) ** 2 < 1
    hair = cap & (_Y < 118) & ((line > _Y) | (edge > -2.5))
    if look.style == "long":
        away = np.abs(_X - CENTRE)
        outside = away > look.width - 7 + np.clip((140 - _Y) / 14, -1, 4)
        hair |= outside & (away < look.width + 15 - np.clip((_Y - 170) / 6, 0, 9)) & (_Y > 80) & (_Y < 222)
    return _soft(hair, 1.6)


def paint_wall(look: Look) -> Float:
    """Everything behind the head: wall, neck and shoulders, (256, 256, 3)."""
    wall = np.array(look.wall, np.float32) * (1.05 - 0.25 * _Y / SIZE)[..., None]
    neck = _soft((np.abs(_X - CENTRE) < 36 + np.clip((_Y - 225) * 0.9, 0, 20)) & (_Y > 150), 1.2)[..., None]
    light = 0.52 + 0.12 * np.clip((CENTRE - _X) / 40, -1, 1) + 0.22 * np.clip((_Y - look.chin - 4) / 30, 0, 1)
    wall = wall * (1 - neck) + np.array(look.skin, np.float32) * light[..., None] * neck
    collar = ((_X - CENTRE) / 30) ** 2 + ((_Y - 228) / 22) ** 2 < 1
    shirt = (np.abs(_X - CENTRE) / 125) ** 2.6 + ((SIZE + 14 - _Y) / 42) ** 2 < 1
    cloth = (_soft(shirt, 1.2) * (1 - _soft(collar, 1.0)))[..., None]
    shade = 0.95 - 0.3 * np.abs(_X - CENTRE + 20) / 128
    wall = wall * (1 - cloth) + np.array(look.shirt, np.float32) * shade[..., None] * cloth
    return np.asarray(np.clip(wall, 0, 255), np.float32)
