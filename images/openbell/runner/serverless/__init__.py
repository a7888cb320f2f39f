"""Strategies as functions of a cloud: how one is called, what it answers, and the state that it keeps between calls."""

from openbell.runner.serverless.function import Function

__all__ = ["Function"]
