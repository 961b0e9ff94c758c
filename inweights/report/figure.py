"""Every method's accuracy with its interval, the best on top, in one panel for each evaluation set."""

from collections.abc import Sequence
from typing import Any

from inweights.report.rows import rows_of
from inweights.types import Record


def figure(records: Sequence[Record]) -> Any:
    """A plotly figure, which notebooks display."""
    from plotly.graph_objects import Scatter
    from plotly.subplots import make_subplots

    rows = sorted((row for row in rows_of(records) if not row.oracle), key=lambda row: row.mean_over("in-domain") or 0.0)
    sets = list(dict.fromkeys((row.task, name) for row in rows for name in row.accuracy))
    made = make_subplots(rows=1, cols=max(1, len(sets)), subplot_titles=[f"{task} {name}" for task, name in sets])
    for column, (task, name) in enumerate(sets, start=1):
        shown = [row for row in rows if row.task == task and name in row.accuracy]
        intervals = [row.accuracy[name] for row in shown]
        drawn = not any(row.few for row in shown)
        marks = Scatter(
            x=[each.mean for each in intervals],
            y=[f"{row.name}, {row.shots} shots" for row in shown],
            error_x={
                "visible": drawn,
                "array": [each.high - each.mean for each in intervals],
                "arrayminus": [each.mean - each.low for each in intervals],
            },
            mode="markers",
            showlegend=False,
        )
        made.add_trace(marks, row=1, col=column)
        if shown and name in shown[0].majority:
            made.add_vline(x=shown[0].majority[name], line_dash="dot", row=1, col=column)
    return made
