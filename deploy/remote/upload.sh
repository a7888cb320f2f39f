#!/bin/sh
# upload.sh FOLDER RELEASE TRANSACTION [SERVICE...]: takes a release's files and a transaction's as a tar from its input.
# The services' secrets are taken over from the release that runs.
set -eu
root=$1 release=$2 transaction=$3
shift 3
umask 077
new=$root/releases/.new
rm -rf "$new"
mkdir "$new"
tar --extract --no-same-owner --directory "$new"
mv "$new/transaction" "$root/transactions/$transaction"
mkdir -p "$root/files"
for file in "$new"/files/*; do
    [ -e "$file" ] || continue
    # Containers read it as their own user, whatever folder above keeps people out.
    if chown 10001 "$file" 2>/dev/null; then chmod 400 "$file"; else chmod 444 "$file"; fi
    mv -f "$file" "$root/files/"
done
if [ -d "$new/release" ]; then
    mkdir -p "$new/release/secrets"
    for service; do
        theirs=$root/current/secrets/$service.json
        if [ -e "$theirs" ]; then cp "$theirs" "$new/release/secrets/"; fi
    done
    mv "$new/release" "$root/releases/$release"
    touch "$root/shipped"
    # Whoever brought an image that is there already may also want to keep it: only what we bring is ours to remove.
    while IFS= read -r tag; do
        grep -qxF "$tag" "$root/shipped" || docker image inspect "$tag" >/dev/null 2>&1 || printf '%s\n' "$tag" >>"$root/shipped"
    done <"$root/releases/$release/images"
fi
rm -rf "$new"
