"""What charts show apart: names, and colours that are the same everywhere."""

from datetime import date
from itertools import combinations

import numpy as np
import pytest

from analytics import charts
from analytics.charts import PALETTE, QUIET
from tests import grouped
from tests.grouped import REST

DAY = [date(2026, 3, 18)]
BACKGROUNDS = {"light": "#FFFFFF", "dark": "#0E1117"}
# Machado, Oliveira and Fernandes (2009), severity 1: what red, green and blue light become.
SEEN: dict[str, list[list[float]]] = {
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
LEAST_DIFFERENCE = 12
"""Of two colours in CIELAB: a difference of 2 or 3 is seen side by side."""


def _light(color: str) -> np.ndarray:
    parts = np.array([int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def _lab(light: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(light, 0, 1) / np.array([0.9505, 1, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _contrast(first: str, second: str) -> float:
    bright, dark = sorted((float(TO_XYZ[1] @ _light(color)) for color in (first, second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=list(BACKGROUNDS))
@pytest.mark.parametrize("color", [*PALETTE, *charts.COLORS.values(), QUIET])
def test_every_colour_stands_out(color: str, background: str) -> None:
    assert _contrast(color, background) >= 3


@pytest.mark.parametrize("seen", SEEN)
def test_colours_are_told_apart_by_colour_blind_readers(seen: str) -> None:
    labs = {color: _lab(np.array(SEEN[seen]) @ _light(color)) for color in (*PALETTE, charts.COLORS["Other"])}
    near = {
        pair: float(np.linalg.norm(labs[pair[0]] - labs[pair[1]]))
        for pair in combinations(labs, 2)
        if np.linalg.norm(labs[pair[0]] - labs[pair[1]]) < LEAST_DIFFERENCE
    }
    assert near == {}


def test_series_have_names_and_the_guides_providers_come_first() -> None:
    frame = grouped.usage(DAY, {"whisper": 9, "groq": 5, "openai": 4, "selfhosted": 3, REST: 1})
    series = charts.series_of(frame, "provider")
    assert [each.name for each in series] == ["OpenAI", "Groq", "Whisper", "selfhosted", "Other (12 more)"]
    assert [each.value for each in series] == ["openai", "groq", "whisper", "selfhosted", None]
    assert [each.color for each in series[:2]] == [charts.COLORS["OpenAI"], charts.COLORS["Groq"]]
    assert series[-1].color == charts.COLORS["Other"]
    assert len({each.color for each in series}) == len(series)


def test_what_is_not_told_has_a_name_and_no_two_have_the_same() -> None:
    frame = grouped.usage(DAY, {"chat": 3, None: 2, "(not logged)": 1, "Total": 1})
    assert [each.name for each in charts.series_of(frame, "operation")] == [
        *("chat", "(not logged)", "(not logged) (2)", "Total (2)")
    ]
    assert charts.series_of(grouped.usage(DAY, {None: 1}), "model")[0].name == "(no model)"
    assert charts.series_of(grouped.usage(DAY, {None: 1}), "tag.team")[0].name == "(without this tag)"
    assert charts.series_of(grouped.usage(DAY, {"07": 1}), "hour")[0].name == "07:00"


def test_a_model_has_one_colour_whatever_is_beside_it() -> None:
    def color(model: str, *others: str) -> str:
        frame = grouped.usage(DAY, dict.fromkeys((*others, model), 1))
        return next(each.color for each in charts.series_of(frame, "model") if each.value == model)

    others = [f"model-{number}" for number in range(7)]
    assert {color("gpt-4o", *others[:count]) for count in range(8)} == {color("gpt-4o")}
    # An unknown one keeps its own beside known ones of other colours.
    assert color("my-model") == color("my-model")
    assert color("my-model", "gpt-4o") in PALETTE


def test_colours_of_one_chart_differ_and_those_of_several_agree() -> None:
    names = [f"model-{number}" for number in range(12)]
    first = grouped.usage(DAY, dict.fromkeys(names[:8], 1))
    second = grouped.usage(DAY, dict.fromkeys([*names[1:8], REST], 1))
    colors = charts.colors_of("model", first, second)
    drawn = [charts.series_of(frame, "model", colors) for frame in (first, second)]
    for series in drawn:
        assert len({each.color for each in series}) == len(series)
    of_first, of_second = (
        {each.value: each.color for each in series if not each.is_rest} for series in drawn
    )
    assert {name: of_first[name] for name in of_second} == of_second
