"""Makes the JSON schemas that kubeconform reads: Kubernetes' own, each file whole in itself, and those of custom resources.

Strict: what a schema does not name is refused. Written to CACHE/schemas/<version>/ and CACHE/schemas/custom/.
"""

import importlib.util
import json
import pathlib
import sys

import yaml

VERSIONS = ["1.34.0", "1.35.0", "1.36.0"]
DEFINITION = "#/$defs/"


def references(part, found):
    """Every definition that `part` names; rewrites the names to the file's own."""
    if isinstance(part, list):
        for entry in part:
            references(entry, found)
    if not isinstance(part, dict):
        return
    named = part.get("$ref")
    if isinstance(named, str) and DEFINITION in named:
        name = named.split(DEFINITION)[1]
        found.add(name)
        part["$ref"] = DEFINITION + name
    for entry in part.values():
        references(entry, found)


def kubernetes(version, target):
    package = pathlib.Path(importlib.util.find_spec("kubernetes_validate").origin).parent
    source = package / "kubernetes-json-schema" / f"v{version}-local-strict"
    definitions = json.loads((source / "_definitions.json").read_text())["$defs"]
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*-*.json"):
        schema = json.loads(file.read_text())
        # By it references would be looked up in the network.
        schema.pop("$id", None)
        whole, open_names = {}, set()
        references(schema, open_names)
        while open_names:
            name = open_names.pop()
            if name in whole:
                continue
            whole[name] = json.loads(json.dumps(definitions[name]))
            references(whole[name], open_names)
        if whole:
            schema["$defs"] = whole
        (target / file.name.lower()).write_text(json.dumps(schema))


def strict(part):
    """Refuses what an object's properties do not name, as the API server drops it or complains."""
    if isinstance(part, list):
        for entry in part:
            strict(entry)
    if not isinstance(part, dict):
        return
    if "properties" in part and not part.get("x-kubernetes-preserve-unknown-fields"):
        part.setdefault("additionalProperties", False)
    if part.pop("x-kubernetes-int-or-string", False):
        part.pop("type", None)
        part["oneOf"] = [{"type": "string"}, {"type": "integer"}]
        part.pop("anyOf", None)
    for entry in part.values():
        strict(entry)


def custom(file, target):
    target.mkdir(parents=True, exist_ok=True)
    for crd in yaml.safe_load_all(file.read_text()):
        if not crd or crd.get("kind") != "CustomResourceDefinition":
            continue
        kind, group = crd["spec"]["names"]["kind"], crd["spec"]["group"]
        for version in crd["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            strict(schema)
            # What every object carries; Kubernetes looks at it itself.
            schema["properties"]["metadata"] = {"type": "object"}
            schema["properties"]["apiVersion"] = {"const": f"{group}/{version['name']}"}
            schema["properties"]["kind"] = {"const": kind}
            name = f"{group}_{kind}_{version['name']}.json".lower()
            (target / name).write_text(json.dumps(schema))


def main(cache):
    for version in VERSIONS:
        kubernetes(version, cache / "schemas" / version)
    for file in sorted((cache / "crds").glob("*.yaml")):
        custom(file, cache / "schemas" / "custom")


main(pathlib.Path(sys.argv[1]))
