"""Charts of a whole and its parts: a pie, and bars per model."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache, reduce

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.charts.amounts import Sums, sums_of
from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    QUIET,
    Chart,
    Measure,
    amount_axis,
    picking,
    series_color,
    specified,
)
from analytics.charts.series import BLUE, GREY, keys_of, series_of
from analytics.queries import TOP_VALUES, Group

_ROOMY_SHARE = 0.08


def share(
    whole: pd.DataFrame, measure: Measure, group: Group, colors: Mapping[str, str] | None = None
) -> Chart:
    """A pie of USAGE_BY_GROUP of all days: what each that it is grouped by has of the known total."""
    series = series_of(whole, group, colors)
    numbers = {(each.value, each.is_rest): number for number, each in enumerate(series)}
    places, sums = [numbers[key] for key in keys_of(whole)], sums_of(whole)
    parts = pd.DataFrame(
        {
            "name": [series[place].name for place in places],
            "value": [each.amount(measure.unit) or 0.0 for each in sums],
            "amount": [each.text(measure.unit) for each in sums],
            "place": places,
        }
    )
    total = parts["value"].sum()
    parts["share"] = [formatting.share(value, total) for value in parts["value"]]
    # Slivers have no room for a label; legend and tooltip name them.
    parts["has_room"] = parts["value"] >= _ROOMY_SHARE * total
    parts = parts[parts["value"] > 0].sort_values("place", ignore_index=True)
    drawn = set(parts["name"])
    return Chart(
        specification=_pie(measure),
        datasets={"parts": parts},
        series=tuple(each for each in series if each.name in drawn),
    )


@lru_cache(CACHED_SPECIFICATIONS)
def _pie(measure: Measure) -> str:
    base = alt.Chart(alt.NamedData("parts")).encode(
        theta=alt.Theta("value:Q", stack=True),
        order=alt.Order("place:Q"),
        color=series_color(),
        tooltip=[
            alt.Tooltip("name:N", title="Part"),
            alt.Tooltip("amount:N", title=measure.title),
            alt.Tooltip("share:N", title="Share"),
        ],
    )
    slices = base.mark_arc(
        innerRadius=62, outerRadius=110, padAngle=0.012, cornerRadius=3, cursor="pointer"
    ).add_params(picking("name"))
    labels = (
        base.mark_text(radius=86, fontWeight="bold", fontSize=13)
        .encode(text="share:N", color=alt.value("white"))
        .transform_filter("datum.has_room")
    )
    return specified(alt.layer(slices, labels).properties(height=CHART_HEIGHT - 40))


def models(frame: pd.DataFrame, measure: Measure, colors: Mapping[tuple[str, str | None], str]) -> Chart:
    """A bar per model, the one with the most first, and one for the rest.

    `frame` is Overview.models, `colors` has one per provider and model.
    """
    sums = sums_of(frame)
    named = zip(frame["source"], frame["model"], sums[:TOP_VALUES], strict=False)
    rows = [
        (formatting.NO_MODEL if pd.isna(model) else str(model), colors.get((source, model), BLUE), each)
        for source, model, each in named
    ]
    if rest := sums[TOP_VALUES:]:
        rows.append((f"Other ({formatting.count(len(rest))} more)", GREY, reduce(Sums.plus, rest)))
    # Two providers may have a model of one name.
    counts = Counter(name for name, _, _ in rows)
    values = pd.DataFrame(
        {
            "number": range(len(rows)),
            "name": [
                f"{name} ({number})" if counts[name] > 1 else name
                for number, (name, _, _) in enumerate(rows, start=1)
            ],
            "value": pd.Series([each.amount(measure.unit) for *_, each in rows], dtype="float64"),
            "amount": [each.text(measure.unit) for *_, each in rows],
            "label": [each.compact_text(measure.unit) for *_, each in rows],
            "color": [color for _, color, _ in rows],
        }
    )
    # Room for the amount behind the longest bar.
    values["room"] = 1.25 * values["value"].max()
    return Chart(specification=_model_bars(measure), datasets={"models": values})


@lru_cache(CACHED_SPECIFICATIONS)
def _model_bars(measure: Measure) -> str:
    base = alt.Chart(alt.NamedData("models")).encode(
        y=alt.Y(
            "name:N",
            title=None,
            sort=None,
            axis=alt.Axis(labelLimit=150, ticks=False, domain=False, labelPadding=6),
        ),
        x=alt.X(
            "value:Q",
            title=None,
            axis=amount_axis(measure),
            scale=alt.Scale(zero=True),
        ),
        tooltip=[alt.Tooltip("name:N", title="Model"), alt.Tooltip("amount:N", title=measure.title)],
    )
    bars = (
        base.mark_bar(cornerRadiusEnd=2, height={"band": 0.72}, cursor="pointer")
        .encode(color=alt.Color("color:N", scale=None))
        .add_params(picking("number"))
    )
    amounts = base.mark_text(align="left", dx=5, fontSize=12, color=QUIET).encode(text="label:N")
    room = base.mark_rule(opacity=0).encode(x="room:Q")
    return specified(alt.layer(room, bars, amounts).properties(height=CHART_HEIGHT - 40))


def is_zero(frame: pd.DataFrame, measure: Measure) -> bool:
    """Whether the total is 0, so that there are no shares to draw."""
    return not (frame[measure.total_column] > 0).any()
