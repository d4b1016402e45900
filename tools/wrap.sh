#!/bin/sh
# Prints the wrap file of a tarball of `meson dist`, to be put at subprojects/libalign.wrap of the project that uses it.
# Without a URL the tarball itself belongs into subprojects/packagefiles.
# usage: tools/wrap.sh TARBALL [URL]
set -eu
name=$(basename "$1")
echo '[wrap-file]'
echo "directory = ${name%.tar.*}"
[ $# -lt 2 ] || echo "source_url = $2"
echo "source_filename = $name"
echo "source_hash = $(sha256sum "$1" | cut -d ' ' -f 1)"
printf '\n[provide]\ndependency_names = libalign, libalign-threads\n'
