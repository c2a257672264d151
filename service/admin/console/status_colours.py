"""The colour of each status in the charts: fixed by its place in the table of statuses."""

from collections.abc import Collection
from dataclasses import dataclass

from service.domain.statuses import (
    STATUSES,
    ActionSuccessful,
    ApplicationCrash,
    IdentifyRequestError,
    MandrillEmailFailed,
)

# Errors of the service itself: an operator must act on them.
ERRORS = (ApplicationCrash.name, IdentifyRequestError.name, MandrillEmailFailed.name)
SUCCESS = ActionSuccessful.name

_ERROR_HUES = (0, 28, 325)
_SUCCESS_HUE = 150
_LINE_HUES = (190, 35, 275)

# Refusals take the hues between those of errors and that of the success. Multiples of the golden ratio are spread
# evenly over them, and a status added at the end of the table does not change the colours of the others.
_REFUSAL_HUES: tuple[int, ...] = (*range(45, 120), *range(185, 310))
_GOLDEN_RATIO = 0.618034


@dataclass(frozen=True, slots=True)
class Colour:
    """A hue in degrees. The page chooses the lightness for its light or dark theme; `strong` has more saturation."""

    hue: int
    strong: bool


_REFUSALS = [status.name for status in STATUSES if status.name not in {*ERRORS, SUCCESS}]


def _refusal_hue(number: int) -> int:
    return _REFUSAL_HUES[int(number * _GOLDEN_RATIO % 1 * len(_REFUSAL_HUES))]


_COLOURS = {
    **{name: Colour(hue, strong=True) for name, hue in zip(ERRORS, _ERROR_HUES, strict=True)},
    SUCCESS: Colour(_SUCCESS_HUE, strong=True),
    **{name: Colour(_refusal_hue(number), strong=False) for number, name in enumerate(_REFUSALS)},
}


ERROR = _COLOURS[ApplicationCrash.name]


def status_colour(status: str) -> Colour:
    """The colour of a status, the same in every chart and at any time."""
    return _COLOURS[status]


def shown_statuses(answered: Collection[str]) -> list[str]:
    """The statuses in `answered` in the order of the legend: errors of the service, success, then refusals."""
    return [status for status in _COLOURS if status in answered]


def line_colour(number: int) -> Colour:
    """The colour of the line `number` of a chart that does not show statuses."""
    return Colour(_LINE_HUES[number], strong=True)
