#!/bin/bash
# Unpacks the arm64 libraries that Glint is built with into build-aarch64-libraries, for cmake/aarch64.cmake; installs
# nothing. Before: dpkg --add-architecture arm64 && apt-get update
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf build-aarch64-libraries
mkdir build-aarch64-libraries
cd build-aarch64-libraries
apt-get download -q \
    {libjansson4,libjansson-dev,libpcre2-8-0,libpcre2-dev,libutf8proc2,libutf8proc-dev,libegl-dev,libgles-dev}:arm64
for package in ./*.deb; do dpkg-deb -x "$package" .; done
