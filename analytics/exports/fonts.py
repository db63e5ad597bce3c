"""The letters that the statement's own font lacks: Noto's, from packages that pip brings (licence: OFL)."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Scripts of Asia, Africa and the Middle East, symbols and emoji; Chinese, Japanese and Korean.
_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")


@cache
def font_paths() -> list[Path]:
    """Directories for typst; without the packages such letters are boxes."""
    specs = [find_spec(package) for package in _PACKAGES]
    return [
        Path(place) for spec in specs if spec is not None for place in spec.submodule_search_locations or ()
    ]
