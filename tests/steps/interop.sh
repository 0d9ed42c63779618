#!/usr/bin/env bash
# the official SDKs' clients, FastMCP and the Inspector, unmodified, complete the flow, ours at the SDKs' servers too; no secret is in any log
set -u
. tests/steps/lib.sh

status=0
for test in tests/interop/test_*.py; do
    python3 "$test" 2>&1 || status=1
done
cargo build --quiet --locked --release || exit 1
python3 tests/interop/run.py --program "$CARGO_TARGET_DIR/release/portcullis" --cache "$CACHE/interop" || status=1
if debian dbus-daemon gnome-keyring >/dev/null; then
    python3 tests/interop/keyring_login.py --program "$CARGO_TARGET_DIR/release/portcullis" || status=1
else
    echo "skip - keyring, Secret Service: the Debian packages dbus-daemon and gnome-keyring cannot be had"
fi
exit $status
