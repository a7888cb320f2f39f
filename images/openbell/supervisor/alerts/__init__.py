"""Alerts: what goes wrong and comes right becomes flips, incidents, messages and deliveries, each stored before the next step."""
