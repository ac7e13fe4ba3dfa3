"""`make test-k8s`: the chart meets a real control plane. It is installed where the restricted pod standard is enforced, rolls out, one
service is scaled out and in, a node is drained, a version is rolled out and back."""

import json
import sys
import threading
import time
from pathlib import Path

from cluster import Cluster, until

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "millrace"
NAMESPACE = "shop"
SERVICES = [
    "catalog-sync",
    "customer-sync",
    "order-intake",
    "stock-availability",
    "reservation",
    "returns",
    "shop-delivery",
]
NODES = {"node-a": "zone-1", "node-b": "zone-2", "node-c": "zone-3"}
SECRETS = ["millrace-database", "millrace-erp", "millrace-personal", "millrace-services"]


class Shop:
    """The release as it stands in the cluster."""

    def __init__(self, cluster, helm):
        self.cluster = cluster
        self.helm_program = helm

    def helm(self, *arguments):
        done = self.cluster.command(self.helm_program, *arguments, "--namespace", NAMESPACE)
        assert done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr.strip()}"
        return done.stdout

    def upgrade(self, *values):
        sets = [word for value in values for word in ("--set", value)]
        least = ROOT / "tests" / "chart" / "values" / "least.yaml"
        self.helm("upgrade", "--install", "x", CHART, "--values", least, "--wait", "--wait-for-jobs", "--timeout", "3m", *sets)

    def deployments(self):
        return {item["metadata"]["labels"]["app.kubernetes.io/component"]: item for item in self._read("deployments")}

    def pods(self, service=None):
        of = f"app.kubernetes.io/component={service}" if service else "app.kubernetes.io/component!=migrate"
        return [pod for pod in self._read("pods", "-l", of) if "deletionTimestamp" not in pod["metadata"]]

    def _read(self, kind, *arguments):
        return self.cluster.read(kind, "-n", NAMESPACE, *arguments)

    def names(self, service=None):
        return sorted(pod["metadata"]["name"] for pod in self.pods(service))

    def ready(self, service):
        return self.deployments()[service]["status"].get("readyReplicas", 0)

    def is_whole(self):
        """Every pod that is wanted is ready, and no other is there."""
        for deployment in self.deployments().values():
            wanted, status = deployment["spec"]["replicas"], deployment["status"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
            if counts != [wanted] * 4 or status.get("observedGeneration") != deployment["metadata"]["generation"]:
                return False
        return True

    def settle(self, what):
        until(f"{what}: every pod is ready", self.is_whole)


def bad_pods_are_refused(shop):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "bad", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "bad", "image": "x"}]},
    }
    said = shop.cluster.refusal("apply", "-f", "-", given=json.dumps(pod))
    assert "violates PodSecurity" in said, said


def it_installs_and_every_service_rolls_out(shop):
    shop.upgrade()
    shop.settle("installed")
    assert sorted(shop.deployments()) == sorted(SERVICES), sorted(shop.deployments())
    migrated = [job for job in shop._read("jobs") if job["status"].get("succeeded") == 1]
    assert len(migrated) == len(SERVICES), [job["metadata"]["name"] for job in migrated]


def pods_of_a_service_are_spread_over_zones(shop):
    for service in SERVICES:
        zones = [NODES[pod["spec"]["nodeName"]] for pod in shop.pods(service)]
        assert len(set(zones)) == min(len(zones), len(NODES)), f"{service} is in {zones}"


def one_service_is_scaled_out_and_in_and_the_others_notice_nothing(shop):
    others = {service: shop.names(service) for service in SERVICES if service != "order-intake"}
    deployment = shop.deployments()["order-intake"]["metadata"]["name"]
    for replicas in (1, 3, 1):
        shop.cluster.kubectl("scale", "-n", NAMESPACE, f"deployment/{deployment}", f"--replicas={replicas}")
        until(f"order-intake has {replicas} pods", lambda: shop.is_whole() and len(shop.pods("order-intake")) == replicas)
        if replicas == 3:
            zones = {NODES[pod["spec"]["nodeName"]] for pod in shop.pods("order-intake")}
            assert len(zones) == 3, zones
    assert others == {service: shop.names(service) for service in others}
    # The chart's own number again: a person's hand does not last.
    shop.upgrade()
    shop.settle("as the chart says")


def a_drained_node_takes_no_service_away(shop):
    """Evictions ask the disruption budgets: of each service one pod at least is ready at every moment."""
    fewest = {service: shop.ready(service) for service in SERVICES}
    over = threading.Event()

    def watch():
        while not over.is_set():
            for service, deployment in shop.deployments().items():
                fewest[service] = min(fewest[service], deployment["status"].get("readyReplicas", 0))
            time.sleep(0.05)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        shop.cluster.kubectl("drain", "node-a", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
        shop.settle("drained")
    finally:
        over.set()
        watching.join()
    assert all(count >= 1 for count in fewest.values()), fewest
    left = [pod["metadata"]["name"] for pod in shop.pods() if pod["spec"]["nodeName"] == "node-a"]
    assert not left, left
    shop.cluster.kubectl("uncordon", "node-a")


def a_version_of_one_service_is_rolled_out_and_back(shop):
    def image():
        [container] = shop.deployments()["returns"]["spec"]["template"]["spec"]["containers"]
        return container["image"]

    before, others = image(), {service: shop.names(service) for service in SERVICES if service != "returns"}
    shop.upgrade("services.returns.image.tag=0.2.0")
    shop.settle("rolled out")
    assert image() == "millrace:0.2.0", image()
    shop.helm("rollback", "x", "--wait", "--wait-for-jobs", "--timeout", "3m")
    shop.settle("rolled back")
    assert image() == before, image()
    assert others == {service: shop.names(service) for service in others}


def it_is_gone_when_it_is_uninstalled(shop):
    shop.helm("uninstall", "x", "--wait")
    until("no pod is left", lambda: not shop.pods())


STEPS = [
    bad_pods_are_refused,
    it_installs_and_every_service_rolls_out,
    pods_of_a_service_are_spread_over_zones,
    one_service_is_scaled_out_and_in_and_the_others_notice_nothing,
    a_drained_node_takes_no_service_away,
    a_version_of_one_service_is_rolled_out_and_back,
    it_is_gone_when_it_is_uninstalled,
]


def main():
    tools, helm = sys.argv[1:]
    began = time.monotonic()
    with Cluster(tools) as cluster:
        print(f"k8s: the control plane is ready after {time.monotonic() - began:.0f} s", flush=True)
        for node, zone in NODES.items():
            cluster.add_node(node, zone)
        restricted = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}})
        for name in SECRETS:
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
            cluster.apply({**secret, "stringData": {"url": "x", "client_secret": "x", "key": "x", "token": "x"}})
        shop = Shop(cluster, helm)
        until("a pod may be made", lambda: cluster.succeeds("get", "-n", NAMESPACE, "serviceaccount/default"))
        for step in STEPS:
            began = time.monotonic()
            step(shop)
            print(f"k8s: {step.__name__.replace('_', ' ')}: ok, {time.monotonic() - began:.1f} s", flush=True)
    print(f"k8s: {len(STEPS)} passed")


if __name__ == "__main__":
    main()
