"""What stands between a decision and its fill: checks, limits, brokers, markets and venues."""
