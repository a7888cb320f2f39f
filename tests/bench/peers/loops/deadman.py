"""A dead man's switch as people write it: cron runs this every minute, and it says which heartbeats are too old.

Arguments: the folder of the heartbeats (a file a bot, touched by each run), the seconds after which one is too old, the webhook.
"""

import json
import sys
import time
import urllib.request
from pathlib import Path

folder, limit, url = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
told = Path("/var/tmp/told")  # noqa: S108 - in a container of its own
before = set(told.read_text().split()) if told.exists() else set()
now = time.time()
overdue = {path.name for path in folder.iterdir() if now - path.stat().st_mtime > limit}
if news := sorted(overdue - before):
    body = json.dumps({"message": " ".join(news)}).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=10).close()
told.write_text(" ".join(overdue))
