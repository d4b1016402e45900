#!/bin/sh
# The tarball of `meson dist` holds all that a build needs, is the same bytes when it is made again from another clone,
# and serves a project that names it in a wrap file. Skipped where there is no repository.
# usage: dist.sh SOURCE_ROOT
set -eu
[ -e "$1/.git" ] || { echo 'skipped: not a repository' && exit 77; }
here=$(cd "$1" && pwd)/tests/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() { "$@" >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }; }

for copy in one two; do
    git clone -q "$1" "$work/$copy"
    quietly meson setup "$work/build-$copy" "$work/$copy" -Dtests=false -Dexamples=false
    quietly meson dist -C "$work/build-$copy" --no-tests
    umask 077
    sleep 1
done
umask 022
tarball=$(echo "$work"/build-one/meson-dist/libalign-*.tar.xz)
cmp "$tarball" "$work"/build-two/meson-dist/libalign-*.tar.xz
echo 'ok: two tarballs, equal bytes'

mkdir -p "$work/host/subprojects/packagefiles"
cp "$here/subproject/meson.build" "$here/../../examples/embed/embed.c" "$work/host"
cp "$work/host/embed.c" "$work/host/embed.cpp"
cp "$tarball" "$work/host/subprojects/packagefiles"
"$here/../../tools/wrap.sh" "$tarball" >"$work/host/subprojects/libalign.wrap"
quietly meson setup "$work/host/build" "$work/host"
quietly ninja -C "$work/host/build"
"$work/host/build/embed-c" | diff -u "$here/expected.txt" -
echo 'ok: a project with a wrap file'

tar -xJf "$tarball" -C "$work"
cd "$work"/libalign-*
tools/amalgamate.py again && diff -r again amalgamation
quietly meson setup build
quietly ninja -C build
meson test -C build --no-rebuild --suite unit --suite errors --print-errorlogs
build/examples/embed/embed | diff -u tests/embed/expected.txt -
