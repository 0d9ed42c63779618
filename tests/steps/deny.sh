#!/usr/bin/env bash
# no dependency has a known advisory, an unknown source, a banned name or an unfit licence
set -u
. tests/steps/lib.sh

cargo_tool cargo-deny 0.20.2 || exit 1
[ -z "$ONLY_BUILD" ] || exit 0
status=0
# Everything a check needs is in the lock files and in what cargo fetches for them.
while read -r lock; do
    cargo fetch --quiet --locked --manifest-path "${lock%.lock}.toml" || exit 1
done < <(git ls-files '*Cargo.lock')
check() { "$TOOL" --offline --log-level error "$@"; }
case_of "licences, bans, sources" check check licenses bans sources || status=1

archive=$(find "$SHARED/advisories" -name 'rustsec-crates-*.tgz' 2>/dev/null | sort | tail -n 1)
if [ -z "$archive" ]; then
    echo "skip - advisories: no archive of them at ../shared/advisories"
    exit $status
fi
# Where cargo-deny looks for the database of the URL in deny.toml, and what tells it the database's age.
database=tests/.cache/advisories/advisory-db-3157b0e258782691
rm -rf "$database"
mkdir -p "$database/.git"
tar -xzf "$archive" -C "$database" || exit 1
touch "$database/.git/FETCH_HEAD"
echo "$(find "$database/crates" -name '*.md' | wc -l) advisories of $(basename "$archive" .tgz)"
case_of "advisories" check check advisories || status=1
for apart in $(git ls-files '*/Cargo.lock'); do
    case_of "advisories, ${apart%/Cargo.lock}" \
        check --manifest-path "${apart%.lock}.toml" --config deny.toml check advisories || status=1
done

# The check must be able to fail: an advisory against a crate that is certainly there.
mkdir -p "$database/crates/serde"
cat >"$database/crates/serde/RUSTSEC-2999-0001.md" <<'END'
```toml
[advisory]
id = "RUSTSEC-2999-0001"
package = "serde"
date = "2026-01-01"

[versions]
patched = []
```

# Planted by the test

Says that every version is affected.
END
if check check advisories >/dev/null 2>&1; then
    echo "not ok - a planted advisory is found: it was not"
    status=1
else
    echo "ok - a planted advisory is found"
fi
rm "$database/crates/serde/RUSTSEC-2999-0001.md"
exit $status
