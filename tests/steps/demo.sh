#!/usr/bin/env bash
# the main job: `demo --once` goes from a bare 401 to an authorized call, however tokens are verified
set -u
. tests/steps/lib.sh

programs || exit 1
status=0
program=$PROGRAMS/portcullis
for mode in offline introspection jwks; do
    case_of "demo --once --verify $mode" timeout 60 "$program" demo --once --verify $mode \
        --authorization-server-port 0 --server-port 0 --redirect-port 0 || status=1
    case_of "demo --legacy --once --verify $mode" timeout 60 "$program" demo --legacy --once --verify $mode \
        --server-port 0 --redirect-port 0 || status=1
done
# A taken port is a clear error, and soon, whoever was to have it.
coproc holder { exec python3 -uc 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1]); time.sleep(60)'; }
read -r taken <&"${holder[0]}"
for option in authorization-server-port server-port redirect-port; do
    arguments=()
    for each in authorization-server-port server-port redirect-port; do
        if [ $each = $option ]; then arguments+=("--$each" "$taken"); else arguments+=("--$each" 0); fi
    done
    output=$(timeout 20 "$program" demo --once --verify offline "${arguments[@]}" 2>&1)
    ended=$?
    if [ $ended -ne 0 ] && [ $ended -ne 124 ] && grep -q "port $taken is taken" <<<"$output"; then
        echo "ok - a taken port is a clear error, --$option"
    else
        printf '%s\nnot ok - a taken port is a clear error, --%s: status %s\n' "$output" $option $ended
        status=1
    fi
done
kill "$holder_PID"
exit $status
