"""The environment of the templates: the functions that they may call."""

from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from openbell.journal import stamp
from openbell.supervisor.health.snapshot import BotView
from openbell.supervisor.model.formatting import clock, dated, day_name, local, milliseconds, span
from openbell.supervisor.model.records import MANUAL
from openbell.supervisor.web import charts, labels
from openbell.supervisor.web.bot_list import ORDER, hosts, tags
from openbell.supervisor.web.strategy_page import held


def environment(folder: Path) -> jinja2.Environment:
    """Return the environment of the templates in `folder`; text from a strategy is escaped."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        auto_reload=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(
        about=labels.about,
        advice=labels.advice,
        amount=labels.amount,
        cells=cells,
        charts=charts,
        clock=clock,
        dated=dated,
        day_name=day_name,
        figure=labels.figure,
        gain=labels.gain,
        gain_class=labels.gain_class,
        held=held,
        hosts=hosts,
        kind_of=labels.kind_of,
        local=local,
        marks=labels.MARKS,
        milliseconds=milliseconds,
        order_class=labels.order_class,
        order_state=labels.order_state,
        orders_banner=labels.orders_banner,
        percent=labels.percent,
        snoozes=labels.SNOOZES,
        spark=spark,
        span=span,
        stamp=stamp,
        statuses=ORDER,
        strip_summary=labels.strip_summary,
        tags=tags,
    )
    found.filters["coded"] = coded
    return found


def coded(text: str) -> Markup:
    """Return a text in which `what stands between backticks` is code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def cells(bot: BotView, timezone: str) -> Markup:
    """Return the cells of a bot's strip of slots, oldest first. Not a template: a page has a thousand of them."""
    found = []
    for slot in reversed(bot.cells):
        kind = f"{slot.outcome or 'open'}{' late' if slot.late else ''}{' manual' if slot.reason == MANUAL else ''}"
        title = escape(labels.slot_title(slot, timezone))
        found.append(f'<i class="{kind}" title="{title}">{labels.MARKS[slot.outcome or ""]}</i>')
    return Markup("".join(found))  # noqa: S704 - outcomes and marks are ours, and the title is escaped


def spark(bot: BotView) -> str:
    """Return the path of the sparkline of a bot's durations."""
    if bot.durations is not None:
        return charts.sparkline(bot.durations.recent)
    return charts.sparkline([slot.duration_ms for slot in reversed(bot.slots) if slot.duration_ms is not None])
