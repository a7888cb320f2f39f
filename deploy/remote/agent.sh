#!/bin/sh
# agent.sh FOLDER: holds the lock of a project for as long as somebody at the other end of its input is alive, and hands
# it on to the transaction that it is told to start. Its input is lines: who asks (a JSON object), then commands.
set -u
root=$1
umask 077
mkdir -p "$root/releases" "$root/transactions" || exit
IFS= read -r owner || exit

exec 9>>"$root/lock" || exit
if ! flock --nonblock 9; then
    printf 'held %s\n' "$(cat "$root/lock")"
    exit 0
fi
printf '%s\n' "$owner" >"$root/lock"
printf 'locked\n'

# A peer that has died without a word says nothing for 30 s: then the lock is freed. `sh` reads no further than its line.
# shellcheck disable=SC2016 # for the inner shell
while line=$(timeout 30 sh -c 'IFS= read -r line && printf "%s\n" "$line"'); do
    case $line in
    'start '*)
        folder=$root/transactions/${line#start }
        # The transaction has this process's lock, and nothing else of it: it goes on whatever becomes of the connection.
        # shellcheck disable=SC2016 # for the inner shell
        setsid sh -c 'echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid" && exec sh "$1/transaction.sh" "$1"' \
            openbell "$folder" </dev/null >"$folder/log" 2>&1 &
        for _ in $(seq 100); do
            [ -e "$folder/pid" ] && break
            sleep 0.05
        done
        printf 'started\n'
        ;;
    end) exit 0 ;;
    esac
done
