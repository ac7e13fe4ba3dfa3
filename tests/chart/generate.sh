#!/usr/bin/env bash
# Writes what is generated in the chart: the README from its template and the values' comments, and the alerts and dashboards, which
# Helm can read from the chart alone. With --check it only says whether that would change anything.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=$("$here/tools.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp -r "$root/helm/millrace" "$work/millrace"
rm -rf "$work/millrace/files/dashboards"
cp "$root/deploy/monitoring/alerts.yaml" "$work/millrace/files/alerts.yaml"
cp -r "$root/deploy/monitoring/dashboards" "$work/millrace/files/dashboards"
"$cache/bin/helm-docs" --chart-search-root "$work" --sort-values-order file --log-level warning

if [[ ${1:-} == --check ]]; then
    exec diff --recursive --unified "$root/helm/millrace" "$work/millrace"
fi
rm -rf "$root/helm/millrace/files/dashboards"
cp -r "$work/millrace/." "$root/helm/millrace/"
