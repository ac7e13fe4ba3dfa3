#!/usr/bin/env bash
# Fetches what the chart is checked with, once, into a cache outside the checkout, and prints where it is. Everything is pinned and
# comes as a package: Go modules, Python wheels, jars. What is there is not fetched again.
set -euo pipefail

HELM=helm.sh/helm/v3/cmd/helm@v3.22.0
HELM_4=helm.sh/helm/v4/cmd/helm@v4.3.1
KUBECONFORM=github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
# Without the clouds it could find targets in: their clients are most of the build.
PROMTOOL="-tags=remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v0.316.0"
HELM_DOCS=github.com/norwoodj/helm-docs/cmd/helm-docs@v1.14.2
# Where custom resources are described, and in which folder of the module.
CRDS=(
    "github.com/kedacore/keda/v2@v2.21.0 config/crd/bases/keda.sh_scaledobjects.yaml"
    "github.com/kedacore/keda/v2@v2.21.0 config/crd/bases/keda.sh_triggerauthentications.yaml"
    "github.com/cloudnative-pg/cloudnative-pg@v1.28.0 config/crd/bases/postgresql.cnpg.io_clusters.yaml"
    "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
    "github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"
)
STRIMZI=1.2.0
# Every schema of Kubernetes 1.25 to 1.37.
KUBERNETES=kubernetes-validate==1.37.0
YAML=pyyaml==6.0.3

# Only the last word is the answer; whatever tools say meanwhile is for people.
exec 3>&1 1>&2

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MILLRACE_CHART_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace-chart}
mkdir -p "$cache/bin" "$cache/helm4" "$cache/done"

say() { echo "chart: $*"; }

# `once NAME COMMAND…`: not again once it has succeeded.
once() {
    local mark=$cache/done/$(tr -c 'A-Za-z0-9.\n' _ <<<"$1")
    shift
    [[ -e $mark ]] && return
    local began=$SECONDS
    "$@"
    touch "$mark"
    say "$* took $((SECONDS - began)) s"
}

# `go_tool PACKAGE [FOLDER]`
go_tool() {
    command -v go >/dev/null || { say "Go is not installed: it builds $1"; exit 69; }
    GOBIN=$cache/${2:-bin} GOFLAGS=-buildvcs=false go install $1
}

python_packages() {
    python3 -m pip install --quiet --root-user-action=ignore --no-deps --upgrade --target "$cache/python" "$KUBERNETES" "$YAML"
}

crd() {
    local module=$1 file=$2 folder
    folder=$(cd "$cache" && go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    mkdir -p "$cache/crds"
    install -m 644 "$folder/$file" "$cache/crds/"
}

# Strimzi describes its resources in Java classes; its own generator writes them down. It needs Java 21.
strimzi_crds() {
    local java jars=$cache/strimzi
    java=$(java_21) || { say "no Java of 21 or newer: Strimzi's resources cannot be described (JAVA_HOME names one)"; exit 69; }
    mkdir -p "$jars" "$cache/crds"
    mvn --quiet --batch-mode --color never -f "$here/strimzi.pom.xml" -Dstrimzi="$STRIMZI" dependency:copy-dependencies -DoutputDirectory="$jars"
    "$java" -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" io.strimzi.crdgenerator.CrdGenerator --yaml --target-kube 1.27+ --crd-api-version v1 \
        "io.strimzi.api.kafka.model.topic.KafkaTopic=$cache/crds/kafkatopic.yaml" \
        "io.strimzi.api.kafka.model.user.KafkaUser=$cache/crds/kafkauser.yaml"
}

# The Kafka of the tests, for pods.py to lock up.
kafka_jars() {
    mvn --quiet --batch-mode --color never -f "$here/../rig/servers/pom.xml" dependency:copy-dependencies \
        -DoutputDirectory="$cache/kafka" -DincludeScope=runtime -DexcludeGroupIds=io.zonky.test.postgres
}

java_21() {
    local home
    for home in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(command -v java || echo /)")")" /usr/lib/jvm/*; do
        [[ -x $home/bin/java ]] || continue
        local version
        version=$("$home/bin/java" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
        if ((${version:-0} >= 21)); then
            echo "$home/bin/java"
            return
        fi
    done
    return 1
}

for tool in "$HELM" "$KUBECONFORM" "$PROMTOOL" "$HELM_DOCS"; do once "$tool" go_tool "$tool"; done
once "$HELM_4" go_tool "$HELM_4" helm4
once "$KUBERNETES $YAML" python_packages
for entry in "${CRDS[@]}"; do once "$entry" crd ${entry}; done
once "strimzi $STRIMZI" strimzi_crds
once "kafka $(sha256sum <"$here/../rig/servers/pom.xml" | cut -c1-12)" kafka_jars
once "schemas $(cat "$here/schemas.py" "$here/tools.sh" | sha256sum | cut -c1-12)" \
    env PYTHONPATH="$cache/python" python3 "$here/schemas.py" "$cache"

echo "$cache" >&3
