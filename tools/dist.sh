#!/bin/sh
# What `meson dist` does last: adds the amalgamation, and gives all files the time of the commit and plain modes, so that
# the same commit packed twice by the same user is the same tarball, byte for byte. Called with MESON_PROJECT_DIST_ROOT set.
set -eu
"$MESON_PROJECT_DIST_ROOT/tools/amalgamate.py" "$MESON_PROJECT_DIST_ROOT/amalgamation"
time=$(git -C "$MESON_PROJECT_SOURCE_ROOT" log -1 --format=%ct)
rm -rf "$MESON_PROJECT_DIST_ROOT/tools/__pycache__"
chmod -R u=rwX,go=rX "$MESON_PROJECT_DIST_ROOT"
find "$MESON_PROJECT_DIST_ROOT" -exec touch -h -d "@$time" {} +
