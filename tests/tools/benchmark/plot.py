"""Plot requests a second by number of connections, as SVG."""

from collections.abc import Iterator, Mapping
from html import escape

from tests.tools.benchmark.figures import Spread
from tests.tools.benchmark.plan import CONNECTIONS, ECHO, GO, PEER, PGBENCH, SERVICE
from tests.tools.benchmark.runner import Run
from tests.tools.benchmark.targets import rates, select

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 40, 50
COLOURS = {SERVICE: "#0b62c4", ECHO: "#8a8a8a", PGBENCH: "#c9520a", PEER: "#2e8540", GO: "#7a3fb0"}
LABEL_HEIGHT = 16.0
LINES = 5

Series = Mapping[str, Mapping[int, Spread]]


def series_of(run: Run) -> Series:
    """Return the rates with application tokens on small tables, by contestant and connections."""
    found = {
        name: {count: spread for count in CONNECTIONS if (spread := Spread.of(rates(select(run, name, count))))}
        for name in COLOURS
    }
    return {name: points for name, points in found.items() if points}


def svg(series: Series) -> str:
    """Return the plot: a line for each contestant, with a bar from the lowest to the highest round at each point."""
    counts = sorted({count for points in series.values() for count in points})
    highest = max((spread.high for points in series.values() for spread in points.values()), default=1.0)
    step = _round_step(highest / LINES)
    frame = _Frame(counts, step * -(-highest // step))
    lines = (part for name, points in series.items() for part in _line(frame, name, points))
    parts = [*_axes(frame, step), *lines, *_labels(frame, series)]
    style = "text{font:13px sans-serif;fill:#222}.t{font-size:15px}.n{text-anchor:end}.m{text-anchor:middle}"
    start = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([start, f"<style>{style}</style>", paper, *parts, "</svg>"]) + "\n"


class _Frame:
    def __init__(self, counts: list[int], top: float) -> None:
        self.counts = counts
        self.top = top

    def x(self, count: int) -> float:
        share = self.counts.index(count) / max(len(self.counts) - 1, 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, rate: float) -> float:
        return HEIGHT - BOTTOM - rate / self.top * (HEIGHT - TOP - BOTTOM)


def _round_step(least: float) -> float:
    power = 1.0
    while power * 10 <= least:
        power *= 10
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def _axes(frame: _Frame, step: float) -> Iterator[str]:
    yield _text(LEFT, TOP - 16, "requests a second", "t")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "connections", "m")
    for place in range(round(frame.top / step) + 1):
        y = frame.y(place * step)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield _text(LEFT - 8, y + 4, f"{place * step:,.0f}", "n")
    for count in frame.counts:
        yield _text(frame.x(count), HEIGHT - BOTTOM + 20, str(count), "m")


def _line(frame: _Frame, name: str, points: Mapping[int, Spread]) -> Iterator[str]:
    colour = COLOURS[name]
    places = [(frame.x(count), spread) for count, spread in sorted(points.items())]
    path = "L".join(f"{x:.1f} {frame.y(spread.median):.1f}" for x, spread in places)
    yield f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, spread in places:
        yield f'<path d="M{x:.1f} {frame.y(spread.low):.1f}V{frame.y(spread.high):.1f}" stroke="{colour}"/>'
        yield f'<circle cx="{x:.1f}" cy="{frame.y(spread.median):.1f}" r="3.5" fill="{colour}"/>'


def _labels(frame: _Frame, series: Series) -> Iterator[str]:
    """Place each name at the end of its line without overlaps, from the top down."""
    ends = {name: frame.y(points[max(points)].median) for name, points in series.items()}
    free = float(TOP)
    for name, y in sorted(ends.items(), key=lambda end: end[1]):
        free = max(y, free)
        yield _text(WIDTH - RIGHT + 12, free + 4, name, "")
        free += LABEL_HEIGHT


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
