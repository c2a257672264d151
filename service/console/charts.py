"""Lines over the last hour as the paths of an SVG: pure geometry, drawn by a template."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.metrics.history import Point

WIDTH = 600
HEIGHT = 160
COLUMNS = 120
SPAN = timedelta(hours=1)

Measure = Callable[[Point], float | None]
Values = list[float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: `path` is what an SVG path draws, `latest` the value at its end as people read it."""

    label: str
    path: str
    latest: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with the texts at its axes, from top to bottom and from left to right."""

    id: str
    title: str
    lines: tuple[Line, ...]
    heights: tuple[str, ...]
    times: tuple[str, ...]


def draw(
    points: Sequence[Point], chart_id: str, title: str, unit: Callable[[float | None], str], **measures: Measure
) -> Chart:
    """The chart of what each of `measures` gives for the points; a value that is not known leaves a gap."""
    end = points[-1].at if points else None
    columns = {label.replace("_", " "): _columns(points, measure, end) for label, measure in measures.items()}
    top = nice_top(max((value for values in columns.values() for value in values if value is not None), default=0.0))
    lines = tuple(
        Line(label, path(values, top), unit(measures[label.replace(" ", "_")](points[-1]) if points else None))
        for label, values in columns.items()
    )
    return Chart(chart_id, title, lines, (unit(top), unit(top / 2), unit(0.0)), _times(end))


def nice_top(highest: float) -> float:
    """The first of 1, 2 and 5, times a power of ten, that is not below `highest`."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest * 0.999999)


def path(values: Values, top: float) -> str:
    """The path through the values, one to a column, `top` being the upper edge."""
    commands, drawing = [], False
    for column, value in enumerate(values):
        if value is not None:
            x = WIDTH * column / (COLUMNS - 1)
            y = HEIGHT * (1 - min(value / top, 1.0))
            commands.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
        drawing = value is not None
    return "".join(commands)


def _columns(points: Sequence[Point], measure: Measure, end: datetime | None) -> Values:
    """The highest value in each part of the hour before `end`: no peak is lost, however short."""
    values: Values = [None] * COLUMNS
    for point in points:
        value = measure(point)
        column = COLUMNS - 1 - int((end - point.at) / SPAN * COLUMNS) if end else -1
        if value is not None and 0 <= column < COLUMNS:
            known = values[column]
            values[column] = value if known is None else max(known, value)
    return values


def _times(end: datetime | None) -> tuple[str, ...]:
    if end is None:
        return ()
    return tuple(f"{end - SPAN * (4 - quarter) / 4:%H:%M}" for quarter in range(5))
