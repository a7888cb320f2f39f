"""Docker on one machine: Compose's commands as values, the engine's answers, services and profiles."""
