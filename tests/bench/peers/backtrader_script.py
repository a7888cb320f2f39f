"""A script as backtrader's users write it: prices from a CSV file, a rule, the usual analyzers; prints what came of it.

python backtrader_script.py PRICES.csv FAST SLOW QUANTITY
"""

import sys

import backtrader as bt


class Crossover(bt.Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one, at the next opening."""

    params = (("fast", 20), ("slow", 50), ("quantity", 100))

    def __init__(self) -> None:
        self.short, self.long = (bt.ind.SMA(self.data.close, period=period) for period in (self.p.fast, self.p.slow))

    def next(self) -> None:
        """Decide."""
        if self.short[0] > self.long[0] and not self.position:
            self.buy(size=self.p.quantity)
        elif self.short[0] < self.long[0] and self.position:
            self.sell(size=self.p.quantity)


def main() -> None:
    """Run it."""
    path, fast, slow, quantity = sys.argv[1:]
    cerebro = bt.Cerebro()
    cerebro.broker.setcash(100_000.0)
    cerebro.adddata(bt.feeds.GenericCSVData(dataname=path, dtformat="%Y-%m-%d", openinterest=-1))
    cerebro.addstrategy(Crossover, fast=int(fast), slow=int(slow), quantity=int(quantity))
    for analyzer in (bt.analyzers.SharpeRatio, bt.analyzers.DrawDown, bt.analyzers.TradeAnalyzer, bt.analyzers.Returns):
        cerebro.addanalyzer(analyzer)
    (ran,) = cerebro.run()
    print(f"equity at the end {cerebro.broker.getvalue():,.2f}")
    for analyzer in ran.analyzers:
        print(analyzer.get_analysis())


if __name__ == "__main__":
    main()
