# SPDX-License-Identifier: MIT
"""Line charts on logarithmic axes as plain SVG, for light and dark pages.

A series is told by its colour, its mark and its name at the end of its line, so that no reader
needs all three."""

import html
import math

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 92, 225, 64, 64
LABEL_GAP = 17                          # the least distance of two names
MARK = 4.5

STYLE = """
svg { --ink: #1f2328; --dim: #59636e; --grid: #d8dee4; --paper: #ffffff;
  --c0: #b3411e; --c1: #9a6a00; --c2: #117755; --c3: #8a3d86; --c4: #0b5cad; --c5: #59636e; --c6: #59636e;
  font: 14px system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #f0f6fc; --dim: #9da7b1; --grid: #343b44; --paper: #0d1117;
    --c0: #ff8f66; --c1: #e8b339; --c2: #4fd1a5; --c3: #e29bdc; --c4: #6cb6ff; --c5: #9da7b1; --c6: #9da7b1; } }
.paper { fill: var(--paper); } .title { font-size: 18px; font-weight: 600; fill: var(--ink); }
.sub, .tick { fill: var(--dim); } .tick { font-size: 13px; } .axis { fill: var(--ink); }
.grid { stroke: var(--grid); stroke-width: 1; } .line { fill: none; stroke-width: 2; }
.strong { stroke-width: 3.5; } .name { font-weight: 600; } .dashed { stroke-dasharray: 6 4; }
"""


class Series:
    """points: (x, y), both above zero.  colour: 0 to 6; mark: circle, square, diamond, up, down,
    ring or none."""

    def __init__(self, name, points, colour, mark="circle", *, strong=False, dashed=False):
        self.name, self.points, self.colour, self.mark = name, points, colour, mark
        self.classes = "line" + " strong" * strong + " dashed" * dashed


class Axis:
    """Logarithmic, from `low` to `high`, along `pixels`."""

    def __init__(self, label, low, high, pixels, ticks):
        self.label, self.ticks, self.pixels = label, ticks, pixels
        self.low, self.span = math.log(low), math.log(high) - math.log(low)

    def at(self, value):
        start, end = self.pixels
        return start + (math.log(value) - self.low) / self.span * (end - start)


def short(value):
    """1234567 as 1.2 M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {letter}"
    return f"{value:g}"


def powers_of_ten(series):
    """Ticks around all y values."""
    values = [y for each in series for _, y in each.points]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0 ** power for power in range(low, high + 1)]


def text(x, y, words, kind, anchor="start", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}"{extra}>'
            f"{html.escape(words)}</text>")


def mark(kind, x, y, colour):
    """One point."""
    m, fill = MARK, f'fill="var(--c{colour})"'
    shapes = {
        "circle": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{m}" {fill}/>',
        "ring": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{m}" fill="var(--paper)" '
                f'stroke="var(--c{colour})" stroke-width="2"/>',
        "square": f'<rect x="{x - m:.1f}" y="{y - m:.1f}" width="{2 * m}" height="{2 * m}" {fill}/>',
        "diamond": f'<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6-6z" {fill}/>',
        "up": f'<path d="M{x:.1f} {y - 6:.1f}l6 10h-12z" {fill}/>',
        "down": f'<path d="M{x:.1f} {y + 6:.1f}l6-10h-12z" {fill}/>',
        "none": "",
    }
    return shapes[kind]


def spread_out(wanted):
    """Heights near the wanted ones that leave room for a line of text each."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [0.0] * len(wanted)
    last = -math.inf
    for i in order:
        placed[i] = last = max(wanted[i], last + LABEL_GAP)
    too_low = max(0.0, last - (HEIGHT - BOTTOM))
    return [y - too_low for y in placed]


def draw_axes(x, y, tick_text):
    parts = []
    for value in y.ticks:
        at = y.at(value)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" '
                     'class="grid"/>')
        parts.append(text(LEFT - 10, at + 4, short(value), "tick", "end"))
    for value in x.ticks:
        at = x.at(value)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" '
                     'class="grid"/>')
        parts.append(text(at, HEIGHT - BOTTOM + 20, tick_text(value), "tick", "middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, x.label, "axis", "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(text(22, middle, y.label, "axis", "middle", f' transform="rotate(-90 22 {middle})"'))
    return parts


def draw_series(series, x, y):
    parts = []
    heights = spread_out([y.at(each.points[-1][1]) for each in series])
    for each, height in zip(series, heights):
        at = [(x.at(px), y.at(py)) for px, py in each.points]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in at)
        parts.append(f'<polyline points="{line}" class="{each.classes}" '
                     f'stroke="var(--c{each.colour})"/>')
        parts += [mark(each.mark, px, py, each.colour) for px, py in at]
        end = WIDTH - RIGHT + 14
        parts.append(f'<line x1="{at[-1][0]:.1f}" y1="{at[-1][1]:.1f}" x2="{end - 3}" '
                     f'y2="{height:.1f}" stroke="var(--c{each.colour})" stroke-width="0.7"/>')
        parts.append(text(end, height + 5, each.name, "name", "start",
                          f' fill="var(--c{each.colour})"'))
    return parts


def chart(title, subtitle, x_label, x_ticks, y_label, series, tick_text=short):
    """The whole picture.  `title` and `subtitle` are read to those who cannot see it."""
    y_ticks = powers_of_ten(series)
    x = Axis(x_label, min(x_ticks), max(x_ticks), (LEFT + 14, WIDTH - RIGHT - 14), x_ticks)
    y = Axis(y_label, y_ticks[0], y_ticks[-1], (HEIGHT - BOTTOM, TOP), y_ticks)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
             'aria-labelledby="title desc">',
             f'<title id="title">{html.escape(title)}</title>',
             f'<desc id="desc">{html.escape(subtitle)}</desc>',
             f"<style>{STYLE}</style>",
             f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" class="paper"/>',
             text(LEFT - 70, 28, title, "title"), text(LEFT - 70, 48, subtitle, "sub")]
    parts += draw_axes(x, y, tick_text) + draw_series(series, x, y)
    return "\n".join(parts) + "\n</svg>\n"
