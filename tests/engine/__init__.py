"""Tests that run real containers on a real engine."""
