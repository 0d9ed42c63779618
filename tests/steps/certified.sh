#!/usr/bin/env bash
# certified client libraries and the conformance tool find no fault with the authorization server; no secret is in its log
set -u
. tests/steps/lib.sh

node --version >/dev/null 2>&1 || debian nodejs npm || exit 1
python3 tests/certified/run.py --cache "$CACHE/certified" --install || exit 1
programs || exit 1
# The conformance tool listens on all interfaces: it runs in a network that has loopback alone.
alone=() parts=()
debian iproute2 || true
if as_root unshare --net true 2>/dev/null; then
    alone=(as_root unshare --net -- bash -c 'ip link set lo up && exec "$@"' --) parts=(--conformance)
else
    echo "skip - conformance: no network namespace can be made here"
fi
"${alone[@]}" python3 tests/certified/run.py --cache "$CACHE/certified" --program "$PROGRAMS/portcullis" "${parts[@]}"
