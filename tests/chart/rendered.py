"""What schemas cannot say of rendered objects: names are given once, pods keep to the restricted standard, and they get the time to
finish. `rendered.py FILE`; prints what is wrong."""

import collections
import re
import sys

import yaml


def pods(objects):
    for one in objects:
        if one["kind"] in ("Deployment", "Job"):
            yield f"{one['kind']} {one['metadata']['name']}", one["spec"]["template"]["spec"]


def restricted(pod):
    """The restricted pod security standard, and a root nobody can write to."""
    security = pod.get("securityContext", {})
    if not (security.get("runAsNonRoot") and security.get("runAsUser") == 65532):
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    if pod.get("automountServiceAccountToken") is not False:
        yield "gets a token for the Kubernetes API"
    if pod.get("enableServiceLinks") is not False:
        yield "gets variables that Millrace takes for settings"
    if any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares the host's namespaces"
    for volume in pod.get("volumes", []):
        if not set(volume) - {"name"} <= {"configMap", "projected", "secret", "emptyDir"}:
            yield f"has the volume {volume['name']}"
    for container in pod["containers"]:
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False:
            yield "may gain privileges"
        if security.get("readOnlyRootFilesystem") is not True:
            yield "may write to its root"
        if security.get("capabilities", {}).get("drop") != ["ALL"]:
            yield "keeps capabilities"
        if not container.get("resources", {}).get("requests"):
            yield "requests nothing"


def patient(pod):
    """A stop waits for callers to hear of it, and then for what is in hand."""
    (container,) = pod["containers"]
    drain = next(env["value"] for env in container["env"] if env["name"] == "MILLRACE_DRAIN")
    seconds = int(re.fullmatch(r"(\d+)s", drain)[1])
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    if pod["terminationGracePeriodSeconds"] <= pause + seconds:
        yield f"is killed before {drain} have passed"


def main(path):
    with open(path) as file:
        objects = [one for one in yaml.safe_load_all(file) if one]
    wrong = []
    names = collections.Counter((one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects)
    wrong += [f"{kind} {name} is there {count} times" for (kind, _, name), count in names.items() if count > 1]
    for name, pod in pods(objects):
        wrong += [f"{name} {words}" for words in restricted(pod)]
        if name.startswith("Deployment"):
            wrong += [f"{name} {words}" for words in patient(pod)]
    budgets = {one["metadata"]["name"] for one in objects if one["kind"] == "PodDisruptionBudget"}
    for one in objects:
        if one["kind"] == "Deployment" and one["spec"].get("replicas", 2) < 2 and one["metadata"]["name"] in budgets:
            wrong.append(f"{one['metadata']['name']} has one pod and a budget: its node can never be drained")
    print("\n".join(wrong))
    return bool(wrong)


sys.exit(main(sys.argv[1]))
