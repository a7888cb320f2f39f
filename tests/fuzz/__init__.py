"""Invalid inputs, made from valid ones: files of strategies, settings, requests, calls of functions."""
