"""The benchmark: openbell beside the guides' loop, APScheduler and cron, measured in one run. `python -m tests.bench`."""
