#!/usr/bin/env bash
# the official SDKs' clients, rmcp, FastMCP and the Inspector, unmodified, complete the flow, ours at the SDKs' servers too; no secret is in any log
set -u
. tests/steps/lib.sh
. tests/device/images.sh

status=0
for test in tests/interop/test_*.py; do
    python3 "$test" 2>&1 || status=1
done
programs || exit 1
cargo build --quiet --locked --manifest-path tests/interop/rmcp/Cargo.toml || exit 1
arguments=(--program "$PROGRAMS/portcullis" --examples "$PROGRAMS" --cache "$CACHE/interop")
if can_emulate "the columns of the microcontroller"; then
    lock images
    example_images && arguments+=(--images "$images") || status=1
    unlock
fi
python3 tests/interop/run.py "${arguments[@]}" || status=1
if debian dbus-daemon dbus-bin gnome-keyring >/dev/null; then
    python3 tests/interop/keyring_login.py --program "$PROGRAMS/portcullis" || status=1
else
    echo "skip - keyring, Secret Service: the Debian packages dbus-daemon, dbus-bin and gnome-keyring cannot be had"
fi
exit $status
