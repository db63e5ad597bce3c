"""The charts of analytics.charts as SVG for paper: light, in the statement's type, without what moves."""

from typing import Any

import altair as alt
import vl_convert

from analytics.charts import Chart

FONT = "Libertinus Serif"  # comes with typst: the same page on every machine
WIDTH, HEIGHT = 380, 165  # pixels, of which the template makes half a page's width
MANY_BARS = 45

_TEXT, _MUTED, _GRID = "#1A2230", "#5B6675", "#E1E6ED"
_VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])

_THEME: dict[str, Any] = {
    "font": FONT,
    "background": None,
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "labelFontSize": 13,
        "gridColor": _GRID,
        "domainColor": _GRID,
        "tickColor": _GRID,
    },
    "axisY": {"domain": False, "ticks": False, "labelPadding": 7},
    "legend": {"labelColor": _TEXT, "labelFontSize": 13, "symbolSize": 70, "offset": 6},
}


def chart_svg(chart: Chart, bars: int = 0) -> str:
    """The chart as SVG whose text is text, so that it can be searched and copied.

    Where it has many `bars`, little space is left between them, or they would be hairlines.
    """
    spec = chart.to_dict() | {"width": WIDTH, "height": HEIGHT}
    if bars > MANY_BARS:
        for layer in spec["layer"]:
            layer["mark"]["binSpacing"] = 0.5
    return str(vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, config=_THEME, allowed_base_urls=[]))
