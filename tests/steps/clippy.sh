#!/usr/bin/env bash
# no lint speaks up, in any target with any feature set
set -u
. tests/steps/lib.sh

status=0
case_of "workspace, all targets, all features" \
    cargo clippy --quiet --locked --workspace --all-targets --all-features -- -D warnings || status=1
# A feature may add, never be needed: the smallest core and the smallest adapters hold by themselves.
case_of "core alone, no features" cargo clippy --quiet --locked -p portcullis-core -- -D warnings || status=1
case_of "tokio adapter, resource server only" cargo clippy --quiet --locked -p portcullis-tokio -- -D warnings || status=1
case_of "tokio adapter, client only" \
    cargo clippy --quiet --locked -p portcullis-tokio --no-default-features --features client -- -D warnings || status=1
# Not part of the workspace, and not run by any step.
case_of "benchmarks of the authorization server" cargo clippy --quiet --locked \
    --manifest-path adapters/authorization-server/benches/Cargo.toml -- -D warnings || status=1
exit $status
