"""Figures as a picture: how much of its goal each has reached."""

from __future__ import annotations

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Picture
from matplotlib.patches import Patch

from tests.bench.figures import Figure, Goal
from tests.bench.report import SIGNS, Results, number

MET, MISSED, INK = "#2a9d8f", "#d1495b", "#333333"

#: How wide a picture is, and how high each bar and what stands around them, in inches.
WIDTH, BAR_HEIGHT, MARGIN = 11, 0.36, 1.4

#: Up to how many times its goal a bar is drawn; its number tells the rest.
TIMES_MAX = 4.0
#: How much wider than its longest bar a picture is, so that the numbers fit beside them.
ROOM = 1.4


def save(results: Results, folder: Path) -> Path:
    """Draw a bar for each figure that has a goal, as long as its median is times the goal.

    A whisker reaches from its least run to its greatest. Returns where the picture is.
    """
    judged = [
        (f"{name}: {figure.name}", figure, figure.goal)
        for name, figures in results.items()
        for figure in figures
        if figure.goal is not None
    ]
    picture = Picture(figsize=(WIDTH, MARGIN + BAR_HEIGHT * len(judged)), layout="constrained")
    axes = picture.add_subplot()
    ends = [_bar(axes, place, figure, goal) for place, (_, figure, goal) in enumerate(judged)]
    axes.set_yticks(range(len(judged)), [label for label, _, _ in judged])
    _frame(axes, ROOM * min(TIMES_MAX, max([1.0, *ends])))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "bench.svg"
    with rc_context({"svg.fonttype": "none"}):  # letters, not their outlines
        picture.savefig(path, format="svg")
    return path


def _bar(axes: Axes, place: int, figure: Figure, goal: Goal) -> float:
    """Draw one figure; return where its whisker ends, in times its goal."""
    least, middle, greatest = (
        _times(each, goal) for each in (min(figure.values), figure.middle, max(figure.values))
    )
    color = MET if goal.is_met(figure.middle) else MISSED
    axes.barh(place, min(middle, TIMES_MAX), height=0.62, color=color)
    drawn = [min(each, TIMES_MAX) for each in (least, greatest)]
    axes.plot(drawn, [place, place], color=INK, linewidth=1, marker="|", markersize=7)
    told = f"{number(figure.middle)} {figure.unit} (goal {SIGNS[goal.bound]} {number(goal.value)})"
    beside = max(1.0, drawn[1], min(middle, TIMES_MAX))
    axes.annotate(
        told, (beside, place), (6, 0), textcoords="offset points", va="center", fontsize=8
    )
    return greatest


def _times(value: float, goal: Goal) -> float:
    """Return how many times its goal a figure is; where that is none at all, 1 stands for it."""
    return value / goal.value if goal.value else 1 + value


def _frame(axes: Axes, width: float) -> None:
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_xlim(0, width)
    axes.invert_yaxis()
    axes.set_xlabel("times the goal: the median of the runs, from their least to their greatest")
    axes.spines[["top", "right"]].set_visible(False)
    kinds = [Patch(color=MET, label="met"), Patch(color=MISSED, label="missed")]
    axes.legend(handles=kinds, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
