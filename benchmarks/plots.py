"""Plots for `docs/`, made where matplotlib is installed (dependency group `bench`)."""

import importlib.util
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks import report
from tests.support.azurite import ROOT

MINUTE = 60.0
BLUE, ORANGE, GREY = "#2563a8", "#d97706", "#94a3b8"
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e2e8f0",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@contextmanager
def panels(name: str, columns: int) -> Iterator[Sequence[Any] | None]:
    """Axes side by side, saved as `docs/<name>.png` at the end; None where there is no matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        report.say(f"(docs/{name}.png is not made anew: `pip install --group bench` has what it needs)\n")
        yield None
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(1, columns, figsize=(4.6 * columns, 3.2), squeeze=False)
        yield axes[0]
        figure.savefig(ROOT / "docs" / f"{name}.png", dpi=110)
        pyplot.close(figure)


def rolling_curve(times: Sequence[float], every: float) -> tuple[list[float], list[int]]:
    """Moments `every` so many seconds, and how many were in the minute before each: to be drawn, pauses included."""
    moments = [number * every for number in range(int(times[-1] / every) + 1)]
    return moments, [bisect_right(times, at) - bisect_right(times, at - MINUTE) for at in moments]


def rolling(times: Sequence[float]) -> list[int]:
    """For each moment of an ordered sequence, how many were in the minute that ends with it."""
    counts, first = [], 0
    for last, at in enumerate(times):
        while times[first] <= at - MINUTE:
            first += 1
        counts.append(last - first + 1)
    return counts
