#!/bin/sh
# The tarball of `meson dist` holds all that a build needs. Skipped where there is no repository.
# usage: dist.sh SOURCE_ROOT BUILD_ROOT
set -eu
[ -e "$1/.git" ] || { echo 'skipped: not a repository' && exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
meson dist -C "$2" --allow-dirty --no-tests --formats gztar >"$work/log" || { cat "$work/log" && exit 1; }
tar -xzf "$2"/meson-dist/libalign-*.tar.gz -C "$work"
cd "$work"/libalign-*
meson setup build >"$work/log" || { cat "$work/log" && exit 1; }
ninja -C build >"$work/log" || { cat "$work/log" && exit 1; }
meson test -C build --no-rebuild --suite unit --suite errors --print-errorlogs
build/examples/embed/embed | diff -u tests/embed/expected.txt -
