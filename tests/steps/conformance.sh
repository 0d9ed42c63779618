#!/usr/bin/env bash
# the official conformance tool finds no fault with a protected server and with the client, in either era
set -u
. tests/steps/lib.sh

node --version >/dev/null 2>&1 || debian nodejs npm || exit 1
debian iproute2 || true
# The tool listens on all interfaces: it runs in a network that has loopback alone.
if ! as_root unshare --net true 2>/dev/null; then
    echo "skip - conformance: no network namespace can be made here"
    exit $SKIPPED
fi
python3 tests/certified/run.py --cache "$CACHE/certified" --install || exit 1
programs || exit 1
as_root unshare --net -- bash -c 'ip link set lo up && exec "$@"' -- \
    python3 tests/conformance/run.py --cache "$CACHE/certified" --programs "$PROGRAMS"
