"""Opens a broker by the name that a manifest gives it."""

from datetime import datetime
from pathlib import Path

from openbell.records import replace
from openbell.trading.brokers import Broker, BrokerError
from openbell.trading.brokers.paper_account import open_paper
from openbell.trading.markets import Market
from openbell.trading.plugins import ImportPathError, imported
from openbell.trading.run_services import RunServices


def open_broker(name: str, folder: Path, market: Market, at: datetime, desk: RunServices | None = None) -> Broker:
    """Return the broker that manifests call `name`, for one run; BrokerError if there is none of that name.

    `folder` is where the strategy's state is kept (made when it is needed), `market` gives the prices, and `at` (aware
    UTC) is the instant at which the run's orders are placed. `desk` is the rest of what a broker outside may need. A name
    such as "my_broker:MyBroker" is a class of the strategy's own, which is called with (desk, market, at).
    """
    desk = replace(desk or RunServices(), state=folder)
    match name.partition(":"):
        case ("paper", "", ""):
            return open_paper(market, at, desk)
        case ("alpaca", "", ""):
            from openbell.trading.brokers.alpaca import AlpacaBroker  # noqa: PLC0415 - only what the strategy uses is loaded

            return AlpacaBroker(desk, at)
        case ("ccxt", ":", exchange):
            from openbell.trading.brokers.exchange import open_exchange  # noqa: PLC0415 - as above

            return open_exchange(exchange, desk, market, at)
        case (module, ":", name_in_module):
            try:
                made: Broker = imported(module, name_in_module, desk.folder)(desk, market, at)
            except ImportPathError as error:
                raise BrokerError(str(error)) from error
            return made
    msg = f'no broker is called "{name}"; there is: paper, alpaca, ccxt:EXCHANGE, or your own as "my_broker:MyBroker"'
    raise BrokerError(msg)
