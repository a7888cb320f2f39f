"""The supervisor's values: records, conditions, durations and times."""
