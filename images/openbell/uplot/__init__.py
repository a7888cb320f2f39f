"""The library that draws curves in a browser, as it was published (https://github.com/leeoniya/uPlot): for page and reports."""

from pathlib import Path

FOLDER = Path(__file__).parent
SCRIPT, STYLES, LICENCE = (FOLDER / name for name in ("uplot.js", "uplot.css", "uplot-license.txt"))
