"""Opens the paper account: in the strategy's state, or in the database where a function has no disk."""

from datetime import datetime

from openbell.trading.brokers import Broker
from openbell.trading.markets import Market
from openbell.trading.run_services import RunServices


def open_paper(market: Market, at: datetime, desk: RunServices) -> Broker:
    """Return the account of one strategy, for orders placed at one instant."""
    if desk.database:
        from openbell.trading.brokers.postgres_paper import PostgresPaperBroker  # noqa: PLC0415 - only what the strategy uses is loaded

        return PostgresPaperBroker(
            desk.database, desk.strategy, market, at, desk.costs, short=desk.short, strategy_folder=desk.folder
        )
    from openbell.trading.brokers.paper import PaperBroker  # noqa: PLC0415 - as above

    return PaperBroker(desk.state, market, at, desk.costs, short=desk.short, strategy=desk.folder)
