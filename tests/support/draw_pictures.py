"""Draws the pictures that the sandbox's photos are made of.

Needs Pillow, which is no dependency of the project: run it from an environment of its own.

    python3 -m venv /tmp/draw && /tmp/draw/bin/pip install pillow
    /tmp/draw/bin/python tests/support/draw_pictures.py
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

PICTURES = Path(__file__).parents[2] / "ninepic_cli" / "sandbox" / "pictures"
SIZE = (960, 640)
SUPERSAMPLING = 2

SKINS = ["#8d5524", "#c68642", "#e0ac69", "#f1c27d", "#5c3a21"]
SHIRTS = ["#d7263d", "#1b998b", "#f46036", "#2e294e", "#e8c547", "#3a86ff"]


class Scene:
    """A canvas of twice the size in the final picture's coordinates."""

    def __init__(self, sky: tuple[str, str], seed: int) -> None:
        self.chance = random.Random(seed)
        self.image = Image.new("RGB", (SIZE[0] * SUPERSAMPLING, SIZE[1] * SUPERSAMPLING))
        self.draw = ImageDraw.Draw(self.image)
        self.gradient(sky, 0, SIZE[1])

    def gradient(self, colours: tuple[str, str], top: int, bottom: int) -> None:
        """Fills a band with a vertical blend of two colours."""
        first, last = (tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)) for c in colours)
        for y in range(top * SUPERSAMPLING, bottom * SUPERSAMPLING):
            share = (y / SUPERSAMPLING - top) / (bottom - top)
            colour = tuple(round(a + (b - a) * share) for a, b in zip(first, last, strict=True))
            self.draw.line([(0, y), (self.image.width, y)], fill=colour)

    def polygon(self, points: list[tuple[float, float]], colour: str) -> None:
        """Fills a polygon."""
        self.draw.polygon([(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in points], fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: str) -> None:
        """Fills a circle."""
        box = [(x - radius), (y - radius), (x + radius), (y + radius)]
        self.draw.ellipse([value * SUPERSAMPLING for value in box], fill=colour)

    def limb(self, points: list[tuple[float, float]], width: float, colour: str) -> None:
        """Draws a thick line with round joints and ends."""
        scaled = [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in points]
        self.draw.line(scaled, fill=colour, width=round(width * SUPERSAMPLING), joint="curve")
        for x, y in points:
            self.disc(x, y, width / 2, colour)

    def text(self, x: float, y: float, words: str, height: float, colour: str) -> None:
        """Writes centred text."""
        font = ImageFont.load_default(height * SUPERSAMPLING)
        self.draw.text((x * SUPERSAMPLING, y * SUPERSAMPLING), words, fill=colour, font=font, anchor="mm")

    def ridge(self, base: float, height: float, colour: str, *, snow: bool = False) -> None:
        """Draws a chain of mountains whose feet are at `base`."""
        x = -60.0
        while x < SIZE[0] + 60:
            width = self.chance.uniform(150, 280)
            peak = base - height * self.chance.uniform(0.6, 1)
            top = x + width * self.chance.uniform(0.4, 0.6)
            self.polygon([(x - 60, base), (top, peak), (x + width + 60, base)], colour)
            if snow:
                drop = (base - peak) * 0.25
                left = top - (top - x + 60) * 0.25
                right = top + (x + width + 60 - top) * 0.25
                middle = peak + drop
                cap = [(left, middle), (top, peak), (right, middle), (top + 8, middle - 14), (top - 6, middle + 6)]
                self.polygon(cap, "#f4f7fb")
            x += width * 0.8

    def runner(self, x: float, ground: float, scale: float, bib: str) -> None:
        """Draws somebody in mid-stride, running to the right, with a bib on the chest."""
        skin, shirt = self.chance.choice(SKINS), self.chance.choice(SHIRTS)
        shorts = self.chance.choice(["#22223b", "#14213d", "#333333"])

        def at(dx: float, dy: float) -> tuple[float, float]:
            return x + dx * scale, ground + dy * scale

        self.draw.ellipse([v * SUPERSAMPLING for v in (*at(-42, -4), *at(60, 8))], fill="#4b4f57")
        self.limb([at(0, -82), at(-14, -45), at(-52, -34)], 15 * scale, skin)  # the leg behind
        self.limb([at(-52, -34), at(-58, -22)], 12 * scale, "#ffffff")
        self.limb([at(4, -142), at(-22, -118), at(-36, -138)], 11 * scale, skin)  # the arm behind
        self.limb([at(0, -82), at(28, -52), at(20, -8)], 16 * scale, skin)
        self.limb([at(20, -4), at(36, -3)], 11 * scale, "#f94144")
        self.limb([at(0, -86), at(16, -66)], 24 * scale, shorts)
        self.limb([at(8, -140), at(0, -92)], 38 * scale, shirt)
        self.limb([at(14, -142), at(34, -112), at(56, -130)], 11 * scale, skin)
        self.disc(*at(20, -184), 19 * scale, skin)
        self.draw.pieslice([v * SUPERSAMPLING for v in (*at(0, -206), *at(40, -166))], 170, 350, fill="#2b1d14")
        left, top, right, bottom = *at(-16, -136), *at(26, -106)
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], "#ffffff")
        self.text((left + right) / 2, (top + bottom) / 2, bib, 15 * scale, "#111111")

    def tree(self, x: float, ground: float, scale: float) -> None:
        """Draws a fir."""
        self.limb([(x, ground), (x, ground - 30 * scale)], 9 * scale, "#5d4037")
        for step in range(3):
            y, half = ground - (20 + 34 * step) * scale, (38 - 9 * step) * scale
            self.polygon([(x - half, y), (x, y - 62 * scale), (x + half, y)], "#2d6a4f")

    def save(self, name: str, size: tuple[int, int] = (780, 520), quality: int = 72) -> None:
        """Writes the picture, scaled down."""
        picture = self.image.resize(size, Image.Resampling.LANCZOS)
        picture.save(PICTURES / name, quality=quality, optimize=True)


def track() -> Scene:
    """A stadium track with three runners in their lanes."""
    scene = Scene(("#8ecae6", "#eaf6fb"), 1)
    scene.gradient(("#6c757d", "#adb5bd"), 190, 290)
    for row in range(4):
        for x in range(0, SIZE[0], 17):
            scene.disc(x + scene.chance.uniform(-3, 3), 205 + row * 22, 6, scene.chance.choice(SHIRTS + SKINS))
    scene.gradient(("#c8553d", "#a63d2f"), 290, SIZE[1])
    for lane in range(6):
        y = 300 + lane * lane * 9 + lane * 20
        scene.limb([(0, y), (SIZE[0], y)], 2 + lane, "#f8edeb")
    for x, ground, scale, bib in ((180, 420, 0.9, "7"), (470, 500, 1.25, "1234"), (780, 590, 1.5, "0042")):
        scene.runner(x, ground, scale, bib)
    return scene


def mountains() -> Scene:
    """A trail below snowy mountains."""
    scene = Scene(("#4ea8de", "#fefae0"), 2)
    scene.disc(770, 110, 46, "#ffe169")
    scene.ridge(420, 300, "#7d8597", snow=True)
    scene.ridge(440, 130, "#5c677d")
    scene.gradient(("#95b46a", "#588157"), 430, SIZE[1])
    scene.polygon([(560, 432), (600, 432), (520, 520), (760, 640), (240, 640), (400, 510)], "#d4a373")
    for x, ground, scale in ((90, 520, 1.2), (180, 480, 0.8), (820, 500, 1.0), (900, 560, 1.4), (730, 462, 0.6)):
        scene.tree(x, ground, scale)
    scene.runner(470, 590, 1.2, "A/12")
    return scene


def finish() -> Scene:
    """The arch over the finish line."""
    scene = Scene(("#fec89a", "#fff1e6"), 3)
    scene.ridge(360, 150, "#b08968")
    scene.gradient(("#6b705c", "#555b6e"), 360, SIZE[1])
    for x in (190, 770):
        scene.polygon([(x - 32, 120), (x + 32, 120), (x + 32, 470), (x - 32, 470)], "#d62828")
    scene.polygon([(158, 90), (802, 90), (802, 180), (158, 180)], "#d62828")
    scene.text(480, 135, "FINISH  3:42:07", 54, "#ffffff")
    for column in range(32):
        for row in range(2):
            colour = "#ffffff" if (column + row) % 2 else "#111111"
            x, y = column * 30, 520 + row * 22
            scene.polygon([(x, y), (x + 30, y), (x + 30, y + 22), (x, y + 22)], colour)
    scene.runner(330, 510, 1.1, "318")
    scene.runner(560, 590, 1.5, "12 B")
    return scene


def town() -> Scene:
    """A street through a town, with many runners."""
    scene = Scene(("#cdb4db", "#ffe5ec"), 4)
    x = 0.0
    while x < SIZE[0]:
        width, height = scene.chance.uniform(70, 130), scene.chance.uniform(170, 330)
        scene.polygon([(x, 400 - height), (x + width, 400 - height), (x + width, 420), (x, 420)], "#6d6875")
        for row in range(int(height / 44)):
            for column in range(int(width / 30)):
                left, top = x + 9 + column * 30, 412 - height + row * 44
                glow = scene.chance.choice(["#ffcb69", "#4a4e69", "#f2e9e4"])
                scene.polygon([(left, top), (left + 16, top), (left + 16, top + 24), (left, top + 24)], glow)
        x += width + 6
    scene.gradient(("#4a4e69", "#3c3f55"), 410, SIZE[1])
    for step in range(9):
        scene.limb([(step * 120, 612), (step * 120 + 60, 612)], 6, "#f2e9e4")
    for number in range(7):
        scene.runner(70 + number * 138, 500 + 40 * (number % 3), 0.8 + 0.2 * (number % 3), str(100 + number * 37))
    return scene


def shore() -> Scene:
    """A run along the sea at sunset."""
    scene = Scene(("#3d348b", "#f7b801"), 5)
    scene.disc(480, 330, 90, "#f35b04")
    scene.gradient(("#7678ed", "#3d348b"), 340, 460)
    for wave in range(40):
        x, y = scene.chance.uniform(0, SIZE[0]), scene.chance.uniform(346, 456)
        points = [(x + step * 6, y + 2 * math.sin(step)) for step in range(8)]
        scene.limb(points, 2, "#c9b6f2" if wave % 2 else "#f7b801")
    scene.gradient(("#e6ccb2", "#b08968"), 460, SIZE[1])
    scene.runner(250, 560, 1.1, "77")
    scene.runner(650, 600, 1.4, "2048")
    return scene


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for drawing in (track, mountains, finish, town, shore):
        drawing().save(f"{drawing.__name__}.jpg")
    mountains().save("small.jpg", (128, 96), 60)
