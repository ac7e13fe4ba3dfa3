# Everything a person or a machine does here. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
RIG := $(TARGET)/debug/millrace-test-rig

.PHONY: help demo test test-kafka-tls test-openapi check check-chart test-k8s chart soak bench fmt clean-test

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build and run the whole system with a pretend ERP and a guided tour; ARGS="--exit-after-tour", ARGS=--fresh
	$(CARGO) run -p millrace -- demo $(ARGS)

test: ## run every test against a real PostgreSQL and Kafka (fetched once; needs a JDK and Maven)
	$(CARGO) test --workspace --no-run
	$(RIG) run -- $(CARGO) test --workspace --no-fail-fast $(ARGS)

test-kafka-tls: ## the same for a Kafka with TLS and SCRAM, which needs OpenSSL's headers (libssl-dev)
	$(CARGO) test -p millrace-event-bus --features kafka-tls --test it kafka_tls

test-openapi: ## have schemathesis try everything /openapi.json describes (fetched from PyPI once); SCHEMATHESIS=examples
	$(CARGO) build --quiet -p millrace
	MILLRACE=$(abspath $(TARGET))/debug/millrace tests/openapi/check.sh

check: ## format, lints as errors, licences and bans, the contract's rules, tidy tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if command -v cargo-deny >/dev/null; then set -x; $(CARGO) deny --all-features check licenses bans sources; \
	else echo "cargo-deny is not installed: licences and bans not checked"; fi
	@if command -v buf >/dev/null; then set -x; buf lint; \
	else echo "buf is not installed: proto/ not linted"; fi
	$(CARGO) test --quiet -p millrace-tidy -- --nocapture

check-chart: ## check chart, alerts and image without a cluster (needs Go, Python, Maven, a JDK 21; fetches helm and others once)
	$(CARGO) build --quiet -p millrace -p millrace-test-rig
	MILLRACE=$(abspath $(TARGET))/debug/millrace $(RIG) run -- tests/chart/check.sh

test-k8s: ## install, scale, drain and roll back the chart on a real control plane (builds one with Go: ten minutes once, 2 GB)
	tests/k8s/check.sh

chart: ## write what is generated in helm/millrace: its README, alerts and dashboards
	tests/chart/generate.sh

soak: ## run the tests with their whole counts (hours); results in target/soak
	mkdir -p $(TARGET)/soak
	$(CARGO) test --workspace --no-run
	MILLRACE_SOAK=1 $(RIG) run -- $(CARGO) test --workspace --no-fail-fast $(ARGS) 2>&1 | tee $(TARGET)/soak/output.txt

bench: ## measure against the baselines, all cases or CASE=<name>; results in target/bench/results.jsonl
	$(CARGO) build --release -p millrace -p millrace-bench
	$(CARGO) build --quiet -p millrace-test-rig
	$(RIG) run -- $(TARGET)/release/millrace-bench $(CASE)

fmt: ## format everything
	$(CARGO) fmt --all

clean-test: ## remove the fetched test servers and what killed runs left
	rm -rf .test
