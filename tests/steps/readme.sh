#!/usr/bin/env bash
# the commands of the documentation, taken from its text, do what is said of them; one that no test knows fails
set -u
. tests/steps/lib.sh

debian curl iproute2 || command -v curl >/dev/null || exit 1
programs || exit 1
# The ports are those of the text: in a network of their own where that can be made, else on this machine's loopback.
alone=()
if [ "$(id -u)" -eq 0 ] && unshare --net ip link set lo up 2>/dev/null; then
    alone=(unshare --net -- bash -c 'ip link set lo up && exec "$@"' --)
fi
timeout 600 "${alone[@]}" python3 tests/readme/run.py --program "$PROGRAMS/portcullis" --examples "$PROGRAMS"
