"""The supervisor: it knows which runs should have happened, reads which did, and says so.

    journals ─▶ intake ─▶ book ─▶ store ─▶ status ─▶ snapshot ─▶ page, API, `openbell status`
    manifests ─▶ slots ────┘

It shares three things with the runner and imports nothing else of it: the manifest, the slot arithmetic and the
journal's format.
"""
