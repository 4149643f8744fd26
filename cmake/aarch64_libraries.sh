#!/bin/bash
# Unpacks the arm64 libraries that Glint links into FOLDER, without installing anything; see cmake/aarch64.cmake.
# Before: dpkg --add-architecture arm64 && apt-get update
set -euo pipefail
mkdir -p "$1"
cd "$1"
apt-get download -q {libjansson4,libjansson-dev,libpcre2-8-0,libpcre2-dev,libutf8proc2,libutf8proc-dev}:arm64
for package in ./*.deb; do dpkg-deb -x "$package" .; done
