#!/bin/sh
# follow.sh FOLDER: prints a transaction's log until it has ended, then how, in the last line.
set -u
folder=$1
tail -n +1 -s 0.1 --pid="$(cat "$folder/pid")" -f "$folder/log" 2>/dev/null
printf 'state %s\n' "$(cat "$folder/state" 2>/dev/null)"
