#!/bin/sh
# What `meson dist` does last for the package: in place of the link to the checkout, what a build needs of libalign; without tests, which read
# the checkout.
set -eu
library=$MESON_PROJECT_DIST_ROOT/subprojects/libalign
rm -f "$library"
mkdir -p "$library"
cd "$MESON_PROJECT_SOURCE_ROOT/subprojects/libalign"
cp -R meson.build meson_options.txt LICENSE include lib "$library"
mkdir "$library/tools"
cp tools/header_version.sh tools/amalgamate.py tools/dist.sh "$library/tools"
cp LICENSE "$MESON_PROJECT_DIST_ROOT"
cd "$MESON_PROJECT_DIST_ROOT"
rm -rf tests hosts bench.py
