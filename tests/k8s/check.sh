#!/usr/bin/env bash
# `make test-k8s`: the chart against a real control plane, built once (tools.sh); helm comes from the chart's tools.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=$("$here/tools.sh")
helm=$("$here/../chart/tools.sh")/bin/helm
exec env PYTHONDONTWRITEBYTECODE=1 python3 "$here/check.py" "$tools" "$helm"
