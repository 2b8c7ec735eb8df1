#!/bin/sh
# Install the JavaScript judges into build/js, outside version control.
set -eu
here=$(dirname "$0")
target="$here/../../../build/js"
mkdir -p "$target"
cp "$here/package.json" "$target/package.json"
cd "$target"
npm install --no-audit --no-fund --no-package-lock --ignore-scripts --omit=optional
