"""The routes of the page about money, and of the same for programs."""

from collections.abc import Callable, Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.supervisor.health.snapshot import Snapshot, StrategyView
from openbell.supervisor.web import answers
from openbell.supervisor.web.bot_list import LONGEST_TEXT
from openbell.supervisor.web.dependencies import Dependencies
from openbell.supervisor.web.money_page import RANGES, all_trades, curves, exposure, held_by, money_page, waiting
from openbell.supervisor.web.request_params import integer, one_of, reject_unknown
from openbell.supervisor.web.trades import Trade, as_csv, matching, newest

ROWS = 25  # trades on a page
MOST_PAGES = 1_000
MOST_TRADES = 1_000  # in an answer of the API
MOST_ROWS = 400_000  # of a CSV file: all that are kept

ShowKept = Callable[
    ..., Response
]  # request, template, snapshot, what finds the values, and what is known already → the answer


class MoneyRoutes:
    """What the strategies hold, have traded and are worth."""

    def __init__(self, dependencies: Dependencies, show: ShowKept) -> None:
        self._dependencies = dependencies
        self._show = show
        self.routes = [
            Route("/money", self.page),
            Route("/money/trades.csv", self.csv),
            Route("/api/equity", self.equity),
            Route("/api/trades", self.trades),
            Route("/api/orders", self.orders),
            Route("/api/positions", self.positions),
        ]

    def page(self, request: Request) -> Response:
        """Answer with the page, of one strategy or of all."""
        reject_unknown(request, "range", "strategy", "q", "page")
        snapshot, span = self._dependencies.ready(), _span(request)
        views, text = _views(request, snapshot), request.query_params.get("q", "")[:LONGEST_TEXT]
        page = integer(request, "page", 1, MOST_PAGES)
        strategy = request.query_params.get("strategy", "")

        def values() -> Mapping[str, object]:
            now = self._dependencies.now()
            with self._dependencies.records() as store:
                count, found = newest(matching(all_trades(views, store, span, now), text), page * ROWS)
                return {
                    "shown": money_page(views, store, span, now),
                    "found": found[(page - 1) * ROWS :],
                    "count": count,
                    "more": count > page * ROWS,
                }

        known = {"span": span, "ranges": tuple(RANGES), "strategy": strategy, "text": text, "page": page}
        return self._show(request, "money.html", snapshot, values, title="money · openbell", **known)

    def csv(self, request: Request) -> Response:
        """Answer with the trades as CSV."""
        headers = {"Content-Disposition": 'attachment; filename="trades.csv"'}
        _, found = self._trades(request, MOST_ROWS)
        return Response(as_csv(found), media_type="text/csv", headers=headers)

    def equity(self, request: Request) -> Response:
        """Answer with equity and drawdown, a curve for each currency."""
        reject_unknown(request, "range", "strategy")
        views = _views(request, self._dependencies.ready())
        with self._dependencies.records() as store:
            found = curves(views, store, _span(request), self._dependencies.now())
        answer = [
            {
                "currency": curve.currency,
                "points": [
                    answers.EQUITY_POINT.json(answers.EquityPoint(at, value, below))
                    for (at, value), (_, below) in zip(curve.equity, curve.drawdown, strict=True)
                ],
            }
            for curve in found
        ]
        return JSONResponse({"curves": answer})

    def orders(self, request: Request) -> Response:
        """Answer with the orders that wait or are of unknown fate."""
        reject_unknown(request, "strategy")
        views = _views(request, self._dependencies.ready())
        with self._dependencies.records() as store:
            found = [answers.OpenOrder(*one) for one in waiting(views, store)]
        return JSONResponse({"orders": [answers.OPEN_ORDER.json(one) for one in found]})

    def positions(self, request: Request) -> Response:
        """Answer with what is held, by strategy and by symbol."""
        reject_unknown(request, "strategy")
        views = _views(request, self._dependencies.ready())
        with self._dependencies.records() as store:
            held = held_by(views, store)
        answer = {
            "positions": [answers.POSITION.json(one) for one in held],
            "exposure": [answers.EXPOSURE.json(one) for one in exposure(held)],
        }
        return JSONResponse(answer)

    def trades(self, request: Request) -> Response:
        """Answer with the newest trades."""
        count, found = self._trades(request, integer(request, "limit", 100, MOST_TRADES), "limit")
        return JSONResponse({"total": count, "trades": [answers.TRADE.json(one) for one in found]})

    def _trades(self, request: Request, most: int, *more: str) -> tuple[int, list[Trade]]:
        reject_unknown(request, "range", "strategy", "q", *more)
        views = _views(request, self._dependencies.ready())
        with self._dependencies.records() as store:
            found = all_trades(views, store, _span(request), self._dependencies.now())
            return newest(matching(found, request.query_params.get("q", "")[:LONGEST_TEXT]), most)


def _span(request: Request) -> str:
    return one_of(request, "range", tuple(RANGES), may_be_empty=False) or "month"


def _views(request: Request, snapshot: Snapshot) -> Sequence[StrategyView]:
    name = request.query_params.get("strategy", "")
    if not name:
        return snapshot.strategies
    view = snapshot.strategy(name)
    if view is None:
        raise HTTPException(404, f"there is no strategy {name[:100]}")
    return (view,)
