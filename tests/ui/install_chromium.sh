#!/usr/bin/env bash
# Make sure that the browser stories have a Chromium: the system's, Debian's package, or playwright's own.
set -eu
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
else
  "${PYTHON:-python3}" -m playwright install chromium
fi
