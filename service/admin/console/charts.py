"""Lines over at most the last hour as the paths of an SVG: pure geometry, drawn by a template."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from service.metrics.history import SECONDS_BETWEEN_POINTS, Point

WIDTH = 600
HEIGHT = 160
MOST_COLUMNS = 120

# Four quarters of full minutes each: a service that has just started fills its charts, too.
SPANS = (timedelta(minutes=4), timedelta(minutes=20), timedelta(hours=1))

Measure = Callable[[Point], float | None]
Values = list[tuple[float, float | None]]


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
    window = Window.around(points)
    drawn = {label: window.highest(points, measure) for label, measure in measures.items()}
    top = nice_top(max((value for values in drawn.values() for _, value in values if value is not None), default=0.0))
    lines = tuple(
        Line(label.replace("_", " "), path(values, top), unit(measures[label](points[-1]) if points else None))
        for label, values in drawn.items()
    )
    return Chart(chart_id, title, lines, (unit(top), unit(top / 2), unit(0.0)), window.times)


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a chart shows, in columns."""

    end: datetime | None
    span: timedelta
    columns: int

    @classmethod
    def around(cls, points: Sequence[Point]) -> "Window":
        """The shortest of `SPANS` that holds all points; the last one if none does."""
        end = points[-1].at if points else None
        age = end - points[0].at if end else timedelta(0)
        span = next((span for span in SPANS if age < span), SPANS[-1])
        return cls(end, span, min(MOST_COLUMNS, round(span.total_seconds() / SECONDS_BETWEEN_POINTS)))

    @property
    def times(self) -> tuple[str, ...]:
        """The times at the lower edge, from left to right."""
        if self.end is None:
            return ()
        return tuple(f"{self.end - self.span * (4 - quarter) / 4:%H:%M}" for quarter in range(5))

    def highest(self, points: Sequence[Point], measure: Measure) -> Values:
        """The highest value in each column that has a point, and where it is: no peak is lost, however short."""
        values: dict[int, float | None] = {}
        for point in points:
            column = self.columns - 1 - int((self.end - point.at) / self.span * self.columns) if self.end else -1
            if column >= 0:
                known = [value for value in (values.get(column), measure(point)) if value is not None]
                values[column] = max(known, default=None)
        return [(WIDTH * column / (self.columns - 1), value) for column, value in values.items()]


def nice_top(highest: float) -> float:
    """The first of 1, 2 and 5, times a power of ten, that is not below `highest`."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest * 0.999999)


def path(values: Values, top: float) -> str:
    """The path through the values at their places, `top` being the upper edge; one by itself is a dot."""
    runs = [list(run) for known, run in groupby(values, key=lambda place: place[1] is not None) if known]
    return "".join(
        "M"
        + "L".join(f"{x:.1f} {HEIGHT * (1 - min((value or 0.0) / top, 1.0)):.1f}" for x, value in run)
        + ("h0" if len(run) == 1 else "")
        for run in runs
    )
