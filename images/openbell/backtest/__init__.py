"""Backtests: a strategy's own `run(ctx)` over every slot of the past, each as of its instant."""
