#!/usr/bin/env bash
# the authorization server's pages in a real Chromium: keyboard, sizes, colours, cookies, frames, caches; axe-core
set -u
. tests/steps/lib.sh

if ! chromium=$(command -v chromium); then
    echo "skip - pages: there is no chromium, and Debian's could not be installed"
    exit $SKIPPED
fi
# The accessibility rules, and the provider to sign in at; without them the rest is tested all the same.
home=$CACHE/pages/npm
mkdir -p "$home"
if ! cmp -s tests/pages/package-lock.json "$home/package-lock.json" || [ ! -d "$home/node_modules" ]; then
    cp tests/pages/package.json tests/pages/package-lock.json "$home/"
    npm ci --prefix "$home" --ignore-scripts --no-audit --no-fund --silent || rm -rf "$home/node_modules"
fi
programs || exit 1
# Pictures of all pages stay in tests/.cache/pages, to be looked at.
timeout 900 python3 tests/pages/run.py --program "$PROGRAMS/portcullis" --browser "$chromium" \
    --npm "$home" --pictures "$CACHE/pages"
