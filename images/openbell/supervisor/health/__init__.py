"""Judges what is known of bots, loops and the machine: statuses, conditions, and the snapshot of all of it."""
