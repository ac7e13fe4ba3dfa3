#!/usr/bin/env bash
# `make test-openapi`: schemathesis asks everything that /openapi.json describes of a demo, and finds no server error and no answer
# that is not described. It comes from PyPI, once, into a cache outside the checkout. MILLRACE is the binary; SCHEMATHESIS=2000
# examples per call instead of 30.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/millrace-openapi
version=4.32.5
if [[ ! -e $cache/$version/bin/st ]]; then
    python3 -m venv "$cache/$version"
    "$cache/$version/bin/pip" install --quiet "schemathesis==$version"
fi

work=$(mktemp -d)
demo=
end() {
    [[ -z $demo ]] || { kill "$demo" && wait "$demo"; } 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print("%s:%d" % s.getsockname())'; }
http=$(free)
MILLRACE_DATA_DIR=$work/data MILLRACE_HTTP__LISTEN=$http MILLRACE_GRPC__LISTEN=$(free) MILLRACE_MONITORING__LISTEN=$(free) \
    MILLRACE_HOOKS__LISTEN=$(free) "$MILLRACE" demo --simulator "$(free)" >"$work/demo.log" 2>&1 &
demo=$!
# After the tour there is something to be found.
until grep -q "Ctrl-C stops everything" "$work/demo.log"; do
    kill -0 "$demo" 2>/dev/null || { cat "$work/demo.log"; exit 1; }
    sleep 1
done

# Left out: what the schema allows and the business does not, such as an empty channel, and what the mapping of proto3 allows and the
# schema does not, such as null for text. A stream ends when the caller waits no longer.
cd "$work"
PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=hooks "$cache/$version/bin/st" run "http://$http/openapi.json" \
    --header "Authorization: Bearer demo-operator-token" --header "grpc-timeout: 1S" \
    --phases examples,coverage,fuzzing --max-examples "${SCHEMATHESIS:-30}" --continue-on-failure --warnings off \
    --exclude-checks negative_data_rejection,positive_data_acceptance
