"""Opens a market by the name that a manifest gives it."""

from openbell.manifest import Bot
from openbell.trading.markets import Market, MarketError
from openbell.trading.plugins import ImportPathError, imported
from openbell.trading.run_services import RunServices


def open_market(name: str, bot: Bot, desk: RunServices | None = None) -> Market:
    """Return the market that manifests call `name`, as `bot` sees it; MarketError if the bot's symbols are not in it.

    A name such as "my_market:MyMarket" is a class of the strategy's own, which is called with (desk, bot).
    """
    desk = desk or RunServices()
    match name.partition(":"):
        case ("sample", "", ""):
            from openbell.trading.markets.sample import SampleMarket  # noqa: PLC0415 - only what the strategy uses is loaded

            return SampleMarket(bot.symbols, bot.schedule, desk.folder)
        case ("synthetic", "", ""):
            from openbell.trading.markets.synthetic import SyntheticMarket  # noqa: PLC0415 - as above

            return SyntheticMarket(desk.folder)
        case ("alpaca", "", ""):
            from openbell.trading.markets.alpaca import AlpacaMarket  # noqa: PLC0415 - as above

            return AlpacaMarket(desk)
        case ("ccxt", ":", exchange):
            from openbell.trading.markets.exchange import ExchangeMarket  # noqa: PLC0415 - as above

            return ExchangeMarket(exchange, desk)
        case (module, ":", name_in_module):
            try:
                made: Market = imported(module, name_in_module, desk.folder)(desk, bot)
            except ImportPathError as error:
                raise MarketError(str(error)) from error
            return made
    msg = f'no market is called "{name}"; there is: sample, synthetic, alpaca, ccxt:EXCHANGE, or your own as "my_market:MyMarket"'
    raise MarketError(msg)
