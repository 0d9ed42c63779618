#!/usr/bin/env bash
# certified client libraries and the conformance tool find no fault with the authorization server
set -u
. tests/steps/lib.sh

node --version >/dev/null 2>&1 || debian nodejs npm || exit 1
python3 tests/certified/run.py --cache "$CACHE/certified" --install || exit 1
cargo build --quiet --locked --release || exit 1
# Where it can be had, a network of their own: the tool's servers listen on all interfaces.
alone=()
if as_root unshare --net true 2>/dev/null; then
    alone=(as_root unshare --net -- bash -c 'ip link set lo up && exec "$@"' --)
else
    echo "skip - a network of their own for the peers: network namespaces cannot be made here"
fi
"${alone[@]}" python3 tests/certified/run.py --cache "$CACHE/certified" --program "$CARGO_TARGET_DIR/release/portcullis"
