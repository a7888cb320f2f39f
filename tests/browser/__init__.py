"""The status page in a real browser, the API under a generator of requests, the metrics under a real Prometheus."""
