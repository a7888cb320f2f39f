"""A simulated year of the supervisor: a fleet of strategies with known bad luck, and the real watch over their journals."""
