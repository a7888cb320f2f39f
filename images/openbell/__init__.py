"""openbell runs trading strategies on time, proves that they ran, and tells someone when they did not."""

__version__ = "0.2.0.dev0"
