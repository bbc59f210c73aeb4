#!/usr/bin/env bash
# Make package.zip, ready for AWS Lambda. Options as `bucketer build` has them, for example:
#   ./build.sh --python 3.12 --arch arm64
#   ./build.sh --all
set -euo pipefail
cd "$(dirname "$0")"
test -x .venv/bin/bucketer || make --silent setup
exec .venv/bin/bucketer build "$@"
