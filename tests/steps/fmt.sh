#!/usr/bin/env bash
# the code is formatted
set -u
. tests/steps/lib.sh

status=0
for lock in $(git ls-files '*Cargo.lock'); do
    cargo fmt --all --manifest-path "${lock%.lock}.toml" --check -- --color never || status=1
done
exit $status
