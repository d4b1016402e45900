#!/bin/sh
# Prints the version that include/libalign/base.h states: MAJOR.MINOR.PATCH, or one number with a name.
# usage: tools/header_version.sh [ABI]
set -eu
header=$(dirname "$0")/../include/libalign/base.h
number() {
    sed -n "s/^#define ALIGN_$1  *\([0-9][0-9]*\)$/\1/p" "$header"
}
if [ $# -gt 0 ]; then
    number "$1"
else
    echo "$(number VERSION_MAJOR).$(number VERSION_MINOR).$(number VERSION_PATCH)"
fi
