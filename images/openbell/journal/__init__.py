"""The journal: what a strategy did, as JSON lines. The only code that knows the files' format.

`<root>/<strategy>/<UTC date>.jsonl`, one JSON object a line with Python's default separators, so that
`grep '"symbol": "AAPL"' *.jsonl | jq .` works. A line is appended by one write, so that lines of several processes
never mix. Files are dated and never renamed; `prune` removes old ones. Readers survive a torn last line, a truncated
file, lines that are not JSON and lines of any length.
"""

from openbell.journal.echo import echo as echo
from openbell.journal.echo import echo_file as echo_file
from openbell.journal.echo import echo_to as echo_to
from openbell.journal.files import days as days
from openbell.journal.files import prune as prune
from openbell.journal.files import since as since
from openbell.journal.lines import LONGEST_LINE as LONGEST_LINE
from openbell.journal.lines import Event as Event
from openbell.journal.lines import backwards as backwards
from openbell.journal.lines import read as read
from openbell.journal.times import instant as instant
from openbell.journal.times import stamp as stamp
from openbell.journal.writer import NO_FIELDS as NO_FIELDS
from openbell.journal.writer import Journal as Journal

BACKFILL = "backfill"  # the trigger of a run that a person asked for, for a slot that has passed
