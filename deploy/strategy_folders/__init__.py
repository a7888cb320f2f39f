"""The folders that strategies are in: written, locked and checked."""
