#!/usr/bin/env bash
# `make check-chart`: everything that can be said of the chart, the alerts and the image without a cluster. Tools are fetched once
# (tools.sh). Needs the binary (MILLRACE) and the tests' PostgreSQL around it, see the Makefile.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
chart=$root/helm/millrace
cache=$("$here/tools.sh")
export PATH=$cache/bin:$PATH PYTHONPATH=$cache/python PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

versions=(1.34.0 1.35.0 1.36.0)
protocol=defaults.env.MILLRACE_BUS__KAFKA__LIBRDKAFKA__SECURITY_PROTOCOL
# Each over the least that can be said: one thing at a time.
alone=(
    cnpg.enabled=true
    hooks.enabled=true,hooks.domain=hooks.example.com
    http.ingress.enabled=true,http.ingress.host=api.example.com
    monitoring.serviceMonitor.enabled=true
    monitoring.prometheusRule.enabled=true
    monitoring.dashboards.enabled=true
    strimzi.cluster=events,strimzi.topics.enabled=true
    "strimzi.cluster=events,strimzi.topics.enabled=true,strimzi.users.enabled=true,$protocol=sasl_plaintext"
    defaults.autoscaling.kind=hpa
    services.order-intake.autoscaling.kind=keda
    networkPolicy.enabled=false
    "kafka.existingSecret=millrace-kafka,$protocol=sasl_ssl"
    "kafka.caSecret=kafka-ca,$protocol=ssl,services.order-intake.autoscaling.kind=keda"
    database.caSecret=database-ca
    grpc.tlsSecret=millrace-grpc
    defaults.disruptionBudget.enabled=false
    defaults.replicas=0
    serviceAccount.annotations.owner=shop
)

passed=0
failed=0
# `check WHAT COMMAND…`: says which failed, with what it said, and goes on.
check() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'chart: FAILED: %s\n%s\n' "$what" "$output" >&2
    fi
}

render() {
    helm template x "$chart" --namespace shop --values "$here/values/least.yaml" "$@"
}

fits() {
    local version=$1 file=$2
    [[ -s $file ]] || { echo "nothing was rendered"; return 1; }
    kubeconform -strict -summary -kubernetes-version "$version" \
        -schema-location "$cache/schemas/$version/{{.ResourceKind}}{{.KindSuffix}}.json" \
        -schema-location "$cache/schemas/custom/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json" "$file"
}

# As it was rendered for the newest version.
is_the_same_to_helm_4() {
    local file=$1
    shift
    (PATH=$cache/helm4:$PATH && render --kube-version "${versions[-1]}" "$@") | diff --ignore-blank-lines --ignore-trailing-space "$file" -
}

is_refused() {
    local file=$1 says said
    says=$(sed -n '1s/^# says: //p' "$file")
    if said=$(render --kube-version 1.35.0 --values "$file" 2>&1 >/dev/null); then
        echo "it is accepted"
        return 1
    fi
    grep --quiet --fixed-strings -- "$says" <<<"$said" || { echo "it does not say: $says"; echo "$said"; return 1; }
}

render_to() {
    local file=$1
    shift
    render "$@" >"$file"
}

# `takes NAME VALUES…`: renders it for each version, and looks at what came out.
takes() {
    local name=$1 file=$work/$1.yaml version
    shift
    check "lint $name" helm lint --strict --quiet "$chart" --kube-version 1.35.0 --values "$here/values/least.yaml" "$@"
    for version in "${versions[@]}"; do
        check "render $name for $version" render_to "$file" --kube-version "$version" "$@"
        check "$name fits Kubernetes $version" fits "$version" "$file"
    done
    check "pods of $name" python3 "$here/rendered.py" "$file"
    check "Helm 4 makes the same of $name" is_the_same_to_helm_4 "$file" "$@"
}

step() { printf 'chart: %s (%d s)\n' "$1" "$SECONDS" >&2; }

step "what is generated"
check "what is generated is up to date: make chart" "$here/generate.sh" --check
check "files agree" python3 "$here/agreement.py" "$root"
check "commands are there" python3 "$here/commands.py" "$root"

step "alerts"
check "alerts" promtool check rules --lint=all --lint-fatal "$root/deploy/monitoring/alerts.yaml"
check "alerts ring when they should" promtool test rules "$root/deploy/monitoring/alerts_test.yaml"
check "Prometheus of compose.yaml" promtool check config --syntax-only "$root/deploy/compose/prometheus.yaml"

step "values that are refused"
for file in "$here"/refused/*.yaml; do
    check "$(basename "$file" .yaml) is refused" is_refused "$file"
done

step "values that are taken"
for file in "$here"/values/*.yaml; do
    takes "$(basename "$file" .yaml)" --values "$file"
done
for set in "${alone[@]}"; do
    takes "$set" --set "$set"
done

step "the image, as pods"
# Not kept back: it says what this machine does not allow.
if python3 "$here/pods.py" "$root" "$cache"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi

printf 'chart: %d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
