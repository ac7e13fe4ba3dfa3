#!/usr/bin/env bash
# Builds a Kubernetes control plane from its Go modules, once, into a cache outside the checkout, and prints where it is.
set -euo pipefail

KUBERNETES=v1.36.3
ETCD=v3.6.16
KWOK=v0.8.0

# Only the last word is the answer; whatever tools say meanwhile is for people.
exec 3>&1 1>&2

cache=${MILLRACE_K8S_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace-k8s}
mkdir -p "$cache/bin" "$cache/done"
export GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off

say() { echo "k8s: $*"; }

# `once NAME COMMAND…`: not again once it has succeeded.
once() {
    local mark=$cache/done/$(tr -c 'A-Za-z0-9.\n' _ <<<"$1")
    shift
    [[ -e $mark ]] && return
    local began=$SECONDS
    say "$* …"
    "$@"
    touch "$mark"
    say "$* took $((SECONDS - began)) s"
}

# Where the module was unpacked.
folder_of() {
    (cd "$cache" && GOFLAGS= go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

# The module's own main package is not a program anybody may install: its neighbours are found by paths.
etcd() {
    local module=$cache/etcd
    mkdir -p "$module"
    cat >"$module/go.mod" <<EOF
module millrace.test/etcd
go 1.26.0
require go.etcd.io/etcd/server/v3 $ETCD
EOF
    cat >"$module/main.go" <<'EOF'
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
EOF
    (cd "$module" && go mod tidy && go build -o "$cache/bin/etcd" .)
}

# Kubernetes finds its parts by paths in its own repository, which a module does not hold: they are named here as modules.
kubernetes() {
    local module=$cache/kubernetes folder
    folder=$(folder_of "k8s.io/kubernetes@$KUBERNETES")
    mkdir -p "$module"
    {
        printf 'module millrace.test/kubernetes\ngo 1.26.0\nrequire k8s.io/kubernetes %s\nreplace (\n' "$KUBERNETES"
        sed -n 's|^\t\(k8s.io/[a-z-]*\) => ./staging/src/.*|\1|p' "$folder/go.mod" | grep -v sample- |
            sed "s|.*|\t& => & ${KUBERNETES/v1/v0}|"
        printf ')\n'
    } >"$module/go.mod"
    install -m 644 "$folder/go.sum" "$module/go.sum"
    # What helm compares a chart's kubeVersion with.
    local version=k8s.io/component-base/version minor=${KUBERNETES#v1.} program
    for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
        say "building $program"
        (cd "$module" && go build -o "$cache/bin/" -ldflags "-X $version.gitVersion=$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}" \
            "k8s.io/kubernetes/cmd/$program")
    done
}

kwok() {
    GOBIN=$cache/bin GOFLAGS=-buildvcs=false go install "sigs.k8s.io/kwok/cmd/kwok@$KWOK"
    local folder
    folder=$(folder_of "sigs.k8s.io/kwok@$KWOK")
    local stage
    for stage in "$folder"/kustomize/stage/{node,pod}/fast/*.yaml; do
        [[ $stage == */kustomization.yaml ]] || { printf -- '---\n' && cat "$stage"; }
    done >"$cache/stages.yaml"
}

command -v go >/dev/null || { say "Go is not installed: it builds the control plane"; exit 69; }
once "etcd $ETCD" etcd
once "kwok $KWOK" kwok
once "kubernetes $KUBERNETES" kubernetes
echo "$cache" >&3
