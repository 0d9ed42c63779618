#!/usr/bin/env bash
# the main job: `demo --once` goes from a bare 401 to an authorized call, however tokens are verified
set -u
. tests/steps/lib.sh

cargo build --quiet --locked --release || exit 1
status=0
free_ports() {
    python3 -c 'import socket
held = [socket.socket() for _ in range(3)]
[one.bind(("127.0.0.1", 0)) for one in held]
print(*[one.getsockname()[1] for one in held])'
}
for mode in offline introspection; do
    read -r authorization_server server redirect < <(free_ports)
    case_of "demo --once --verify $mode" timeout 60 "$CARGO_TARGET_DIR/release/portcullis" demo --once --verify $mode \
        --authorization-server-port "$authorization_server" --server-port "$server" --redirect-port "$redirect" || status=1
done
# A taken port is a clear error, and soon, whoever was to have it.
python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", '"$server"')); s.listen(); time.sleep(30)' &
holder=$!
sleep 0.5
for option in authorization-server-port server-port redirect-port; do
    output=$(timeout 20 "$CARGO_TARGET_DIR/release/portcullis" demo --once --verify offline \
        --authorization-server-port 0 --server-port 0 --redirect-port 0 "--$option" "$server" 2>&1)
    ended=$?
    if [ $ended -ne 0 ] && [ $ended -ne 124 ] && grep -q "port $server is taken" <<<"$output"; then
        echo "ok - a taken port is a clear error, --$option"
    else
        printf '%s\nnot ok - a taken port is a clear error, --%s: status %s\n' "$output" $option $ended
        status=1
    fi
done
kill $holder
exit $status
