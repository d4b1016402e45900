#!/bin/sh
# Each program has a manual page that mandoc finds no fault with and that names the options of --help, and no others.
# usage: man.sh SOURCE_ROOT PROGRAM...
set -eu
root=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program; do
    page=$root/man/$(basename "$program").1
    mandoc -Tlint -Wwarning "$page"
    { "$program" --help | grep -o -e '--[a-z][a-z-]*' && echo --help; } | sort -u >"$work/help"
    sed -n 's/^\.It.* -\([a-z][a-z-]*\).*/--\1/p' "$page" | sort -u >"$work/named"
    [ "$(wc -l <"$work/named")" -gt 10 ] || { echo "$page: too few options" && exit 1; }
    diff -u "$work/help" "$work/named" || { echo "$page: other options than --help" && exit 1; }
    echo "ok: $page"
done
