"""The supervisor: knows which runs should have happened, reads which did, and reports the difference.

    journals ─▶ recorder ─▶ slot ledger ─▶ store ─▶ health ─▶ snapshot ─▶ alerts, page, API, metrics
    manifests ─▶ slots ─────────┘

Each package imports only those before it: model ← store ← ingest ← health ← watch ← alerts ← web ← service.

It shares three things with the runner and imports nothing else of it: the manifest, the slot arithmetic and the
journal's format.
"""
