"""Files that say the same thing twice agree: values, their schema and their comments; alerts and their tests; the chart's table of
consumers and the services' own; its ingress and the protos; compose.yaml and the chart. `agreement.py ROOT`; prints what does not."""

import json
import pathlib
import re
import sys

import yaml


def properties(schema, definitions):
    """The properties of a part of the schema, wherever they are defined."""
    found = {}
    for part in [schema, *schema.get("allOf", [])]:
        if "$ref" in part:
            part = definitions[part["$ref"].removeprefix("#/$defs/")]
        if part.get("additionalProperties") is False or part is schema:
            found.update(part.get("properties", {}))
    return found


def closed(schema, place):
    """Every object says what may be in it."""
    if isinstance(schema, list):
        for entry in schema:
            yield from closed(entry, place)
    if not isinstance(schema, dict):
        return
    if "properties" in schema and "type" in schema and schema.get("additionalProperties") is not False:
        yield f"values.schema.json takes anything at {place}"
    for key, part in schema.items():
        yield from closed(part, f"{place}.{key}")


def values(chart):
    given = yaml.safe_load((chart / "values.yaml").read_text())
    schema = json.loads((chart / "values.schema.json").read_text())
    yield from closed(schema, "$")

    def compare(part, schema, place):
        named = properties(schema, schema_definitions)
        if not part:
            # Empty by default: Kubernetes' own words.
            return
        for key in named.keys() - part.keys() - {"global"}:
            yield f"values.yaml has no {place}{key}, which values.schema.json names"
        for key, value in part.items():
            if isinstance(value, dict) and key in named and properties(named[key], schema_definitions):
                # A service says only what differs.
                if place != "services.":
                    yield from compare(value, named[key], f"{place}{key}.")

    schema_definitions = schema["$defs"]
    # Which kinds of amounts there may be is Kubernetes' own.
    for name in ("amounts", "resources"):
        schema_definitions[name] = {}
    yield from compare(given, schema, "")
    for line in (chart / "README.md").read_text().splitlines():
        if re.fullmatch(r"\| \S+ \|.*\|\s*\|", line):
            yield f"values.yaml says nothing of {line.split('|')[1].strip()}"


def alerts(monitoring):
    rules = [rule for group in yaml.safe_load((monitoring / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    tests = yaml.safe_load((monitoring / "alerts_test.yaml").read_text())["tests"]
    ring = {
        re.search(r'alertname="(\w+)"', one["expr"])[1]
        for test in tests
        for one in test["promql_expr_test"]
        if one.get("exp_samples")
    }
    for rule in rules:
        name = rule["alert"]
        if rule["labels"].get("severity") not in ("critical", "warning"):
            yield f"alert {name} has no severity"
        if not {"summary", "runbook"} <= rule["annotations"].keys():
            yield f"alert {name} does not say what it is or what to do"
        if name not in ring:
            yield f"alert {name} rings in no test"


def consumers(root):
    table = json.loads((root / "helm/millrace/files/consumers.json").read_text())
    constant = re.compile(r'const (GROUP|TOPICS?): (?:&str|\[&str; \d+\]) =\s*(\[[^]]*\]|"[^"]*");')
    for crate in sorted((root / "crates").iterdir()):
        text = "\n".join(file.read_text() for file in sorted(crate.glob("src/**/*.rs")))
        names = {name: [] for name in ("GROUP", "TOPIC", "TOPICS")}
        for kind, value in constant.findall(text):
            names[kind].append(set(re.findall(r'"([^"]*)"', value)))
        reads = set().union(*names["TOPICS"], *names["TOPIC"])
        told = {topic for consumer in table.get(crate.name, []) for topic in consumer["topics"]}
        if crate.name in SERVICES and reads != told:
            yield f"consumers.json: {crate.name} reads {sorted(reads)}, not {sorted(told)}"
        groups = {consumer["group"] for consumer in table.get(crate.name, [])}
        for group in set().union(*names["GROUP"]) if crate.name in SERVICES else []:
            if group not in groups:
                yield f"consumers.json: {crate.name} has the group {group}"


def calls(root):
    """The ingress leads each of the shops' calls to who serves it. Operators' calls stay inside."""
    led = json.loads((root / "helm/millrace/files/calls.json").read_text())
    if set(led) != SERVICES:
        yield f"calls.json leads to {sorted(led)}"
    there = {"openapi.json"}
    for file in (root / "proto").glob("**/*.proto"):
        package = re.search(r"^package ([\w.]+);", file.read_text(), re.MULTILINE)[1]
        there |= {f"{package}.{name}" for name in re.findall(r"^service (\w+) ", file.read_text(), re.MULTILINE)}
    there -= {
        "millrace.operations.v1.ParkedService",
        "millrace.order.v1.OrderAdminService",
        "millrace.returns.v1.ReturnAdminService",
        "millrace.changes.v1.DoorbellService",
    }
    named = [name for names in led.values() for name in names]
    if sorted(named) != sorted(there):
        yield f"calls.json names {sorted(named)}, not {sorted(there)}"


def compose(root):
    services = yaml.safe_load((root / "deploy/compose.yaml").read_text())["services"]
    run = {name for name, one in services.items() if one.get("command", [""])[0] == "run"}
    if run != SERVICES:
        yield f"compose.yaml runs {sorted(run)}"
    targets = yaml.safe_load((root / "deploy/compose/prometheus.yaml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    if {target.split(":")[0] for target in targets} != SERVICES:
        yield f"compose/prometheus.yaml reads {targets}"


root = pathlib.Path(sys.argv[1])
SERVICES = set(yaml.safe_load((root / "helm/millrace/values.yaml").read_text())["services"])
wrong = [*values(root / "helm/millrace"), *alerts(root / "deploy/monitoring"), *consumers(root), *calls(root), *compose(root)]
print("\n".join(wrong))
sys.exit(bool(wrong))
