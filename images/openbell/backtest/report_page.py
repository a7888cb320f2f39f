"""The tables and sentences of a report as HTML. Pure: each function returns one part of the page, with its texts escaped.

The page has few parts, and a library for templates takes longer to load than a backtest of ten years takes to run.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape

from openbell.backtest.charts import HeatMap
from openbell.backtest.engine import Outcome
from openbell.backtest.figures import Drawdown, Figures
from openbell.backtest.trades import Trade
from openbell.backtest.walk_forward import WalkForward

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_TRADES = 300
Swept = Sequence[tuple[Mapping[str, object], Figures, int]]


def problems(outcome: Outcome, warnings: Iterable[str]) -> str:
    """Return what a reader must know first."""
    lines = list(warnings)
    if outcome.failures:
        slot, bot, error = outcome.failures[0]
        first = f"the first: {slot:%Y-%m-%d %H:%M} UTC, {bot}: {error}"
        lines.insert(0, f"{len(outcome.failures)} of {outcome.slots} runs failed; {first}")
    return "\n".join(f'<p class="bad">{escape(line)}</p>' for line in lines)


def tiles(found: Iterable[tuple[str, str]]) -> str:
    """Return the figures with their names."""
    return "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in found)


def drawdowns(found: Sequence[Drawdown], last: datetime | None) -> str:
    """Return the times below a peak. last: the end of the curve, which one that has not recovered lasts until."""
    rows = [
        _row(
            percent(one.depth),
            _day(one.began_at),
            _day(one.lowest_at),
            _day(one.recovered_at) if one.recovered_at else "not yet",
            ((one.recovered_at or last or one.lowest_at) - one.began_at).days,
        )
        for one in found
    ]
    return _table(_head("Depth", "Began", "Lowest", "Recovered", "Days"), rows) if rows else ""


def months(found: Sequence[tuple[int, Sequence[float | None]]]) -> str:
    """Return the returns by month and year, as a table of colours."""
    most = max((abs(value) for _, row in found for value in row[:12] if value is not None), default=0.0)
    most_year = max((abs(row[12] or 0.0) for _, row in found), default=0.0)
    rows = [
        f'<tr><th scope="row">{year}</th>'
        + "".join(_heat(value, most, percent(value)) for value in row[:12])
        + _heat(row[12], most_year, percent(row[12]))
        + "</tr>"
        for year, row in found
    ]
    return _table(_head("Year", *MONTHS, "Year"), rows)


def heat_map(found: HeatMap | None, most: float) -> str:
    """Return the best Sharpe ratios by two parameters; empty if fewer vary."""
    if found is None:
        return ""
    down, across, others = escape(found.down), escape(found.across), escape(", ".join(found.others))
    rest = f", whatever {others} was" if others else ""
    rows = [
        f'<tr><th scope="row">{escape(str(value))}</th>{"".join(_heat(cell, most, number(cell)) for cell in cells)}</tr>'
        for value, cells in found.rows
    ]
    said = (
        f"The best Sharpe ratio for each {down} (down) and {across} (across){rest}. A good place has good neighbours."
    )
    table = _table(_head(found.down, *found.columns), rows, ' id="heat"')
    return f'<h2>Heat map</h2>\n<p class="soft">{said}</p>\n{table}'


def sweep(found: Swept, luck: Iterable[str]) -> str:
    """Return the combinations of a sweep, and what is to be said of the best."""
    if not found:
        return ""
    rows = [
        _row(*values.values(), percent(one.total_return), number(one.sharpe), percent(one.drawdown), count)
        for values, one, count in found
    ]
    said = f"{len(found)} combinations, by Sharpe ratio. The best of many is partly luck: the more you try, the more of it."
    lines = "".join(f"<p>{escape(line)}</p>\n" for line in luck)
    table = _table(_head(*found[0][0], "Return", "Sharpe", "Drawdown", "Trades"), rows)
    return f'<h2>Parameters</h2>\n<p class="soft">{said}</p>\n{lines}{table}'


def walk_forward(walked: WalkForward | None, said: str) -> str:
    """Return the windows of a walk-forward; empty without one."""
    if walked is None:
        return ""
    rows = []
    for step in walked.steps:
        params = escape(", ".join(f"{name} = {value}" for name, value in step.params.items()))
        days = "".join(f"<td>{_day(at)}</td>" for at in (step.window.after, step.window.middle, step.window.until))
        ratios = number(step.inside.sharpe), number(step.outside.sharpe), percent(step.outside.total_return)
        rows.append(f'<tr>{days}<td class="text">{params}</td>{_cells(ratios)}</tr>')
    head = (
        _head("Chosen from", "Judged from", "To")
        + _head("Parameters", kind=' class="text"')
        + _head("Sharpe, in sample", "Sharpe, out of sample", "Return, out of sample")
    )
    return (
        f"<h2>Walk-forward</h2>\n<p>{escape(said)}</p>\n"
        '<p class="soft">Each window\'s parameters are the best of the time before it. The picture shows only what had no part '
        "in a choice; each window begins without positions.</p>\n"
        '<div class="chart" id="walk" role="img" aria-label="Equity of the windows, out of sample"></div>\n'
        + _table(head, rows)
    )


def prices(symbols: Iterable[str]) -> str:
    """Return the places of the pictures of prices and signals, with what chooses the symbol; empty without symbols."""
    if not (options := "".join(f"<option>{escape(name)}</option>" for name in symbols)):
        return ""
    return (
        f'<p><label>Prices of <select id="symbol">{options}</select></label> <span class="soft">with a triangle where a trade '
        "began and where it ended; point at one to see its reason and result</span></p>\n"
        '<div class="chart" id="price" role="img" aria-label="Prices with the trades; the table below has the same"></div>\n'
        "<h3>Signal</h3>\n"
        '<div class="chart" id="signal" role="img" aria-label="The signal that the strategy computed"></div>'
    )


def trades(found: Sequence[Trade]) -> str:
    """Return the newest trades."""
    if not found:
        return '<p class="soft">None was closed.</p>'
    bad, text = ' class="bad"', ' class="text"'
    rows = [
        f'<tr><td class="text">{escape(one.symbol)}</td><td class="text">{escape(one.bot)}</td>'
        f"<td>{one.opened_at:%Y-%m-%d %H:%M}</td><td>{one.closed_at:%Y-%m-%d %H:%M}</td>"
        f"<td>{one.quantity:,.6g}</td><td>{one.entry:,.2f}</td><td>{one.exit:,.2f}</td>"
        f"<td{bad if one.profit < 0 else ''}>{one.profit:,.2f}</td><td>{percent(one.result)}</td>"
        f'<td class="reason">{escape(one.entry_reason)}</td><td class="reason">{escape(one.exit_reason)}</td></tr>'
        for one in reversed(found[-MOST_TRADES:])
    ]
    count = len(found)
    few = f"The newest {MOST_TRADES} of {count}; the journal has them all."
    said = few if count > MOST_TRADES else f"All {count}, newest first."
    head = (
        _head("Symbol", "Bot", kind=text)
        + _head("Opened", "Closed", "Quantity", "At", "For", "Profit", "Result")
        + _head("Why it began", "Why it ended", kind=text)
    )
    return f'<p class="soft">{said}</p>\n{_table(head, rows)}'


def percent(value: float | None) -> str:
    """Return a share as a percentage, or a dash."""
    return "-" if value is None else f"{round(value, 3) + 0.0:.1%}"  # never -0.0%


def number(value: float | None) -> str:
    """Return a figure with two decimals, or a dash."""
    return "-" if value is None else f"{value:.2f}"


def _table(head: str, rows: Iterable[str], kind: str = "") -> str:
    body = "\n".join(rows)
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _head(*names: object, kind: str = "") -> str:
    return "".join(f'<th scope="col"{kind}>{escape(str(name))}</th>' for name in names)


def _row(*cells: object) -> str:
    return f"<tr>{_cells(cells)}</tr>"


def _cells(values: Iterable[object]) -> str:
    return "".join(f"<td>{escape(str(value))}</td>" for value in values)


def _heat(value: float | None, most: float, text: str) -> str:
    if value is None:
        return "<td>-</td>"
    strength = min(abs(value) / most, 1) if most else 0
    return f'<td class="heat {"down" if value < 0 else "up"}" style="--strength: {strength:.2f}">{text}</td>'


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
