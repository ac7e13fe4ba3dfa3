"""The chart's Jobs and Deployments, run from the image's tree on this machine: with the arguments, variables, files, user, root and
probes the chart gives them, on a real PostgreSQL, a pretend Business Central, and a real Kafka in which each service may do what its
KafkaUser says and nothing else. Only addresses differ: all pods share one host here; and users sign in by PLAIN instead of SCRAM.
`pods.py ROOT CACHE`, with MILLRACE (the binary) and MILLRACE_TEST_POSTGRES around it.

Then: what alerts and dashboards ask for is what the processes show.
"""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

from kafka import Kafka

HERE = pathlib.Path(__file__).parent
PATIENCE = 120
# In the image by the runtime, not by us.
MOUNT_POINTS = ["dev", "proc", "etc/millrace", "run/secrets/millrace"]
SECRETS = {
    "millrace-database": {"url": os.environ.get("MILLRACE_TEST_POSTGRES", "")},
    "millrace-erp": {"client_secret": "millrace-demo"},
    "millrace-personal": {"key": "cG9kcy1wZXJzb25hbC1rZXktb2YtMzItYnl0ZXMhISE="},
    "millrace-services": {"token": "pods-token-between-services"},
}


def say(words):
    print(f"chart: {words}", file=sys.stderr)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def free_address():
    return f"127.0.0.1:{free_port()}"


def until(what, condition, container):
    """Waits for what `condition` answers, and says what it waited for in vain, and what the container said meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE} s: {what}\n{container.said()}")
        time.sleep(0.1)
    return answer


def get(address, path):
    """Status and text; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()
    except OSError:
        return None


class Host:
    """The tree of the image, and a place for what is mounted into it."""

    def __init__(self, root, work):
        self.work = work
        self.tree = work / "tree"
        self.variables = dict(re.findall(r"^ENV (\w+)=(\S+)$", (root / "deploy/Dockerfile").read_text(), re.MULTILINE))
        subprocess.run([root / "deploy/image-tree.sh", os.environ["MILLRACE"], self.tree], check=True)
        self.look_at_the_tree()
        for place in MOUNT_POINTS:
            (self.tree / place).mkdir(parents=True, exist_ok=True)
        self.begun = []

    def look_at_the_tree(self):
        for path in self.tree.rglob("*"):
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                continue
            assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH), f"{path} may be written or gives rights"
            assert mode & stat.S_IROTH, f"{path} cannot be read by user 65532"
        programs = [path for path in (self.tree / "usr/bin").iterdir()]
        assert [path.name for path in programs] == ["millrace"], f"more than the binary: {programs}"

    def run(self, name, arguments, environment=None, mounts=None):
        spec = {"tree": str(self.tree), "mounts": mounts or {}, "args": arguments, "env": {**self.variables, **(environment or {})}}
        file = self.work / f"{name}.json"
        file.write_text(json.dumps(spec))
        log = self.work / f"{name}.log"
        with log.open("w") as output:
            command = ["unshare", "--mount", "--", sys.executable, str(HERE / "container.py"), str(file)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.begun.append(process)
        return Container(name, process, log)

    def end(self):
        for process in self.begun:
            if process.poll() is None:
                process.kill()
                process.wait()


class Container:
    def __init__(self, name, process, log):
        self.name, self.process, self.log = name, process, log

    def said(self):
        return "\n".join(self.log.read_text().splitlines()[-20:])

    def runs(self):
        code = self.process.poll()
        assert code is None, f"{self.name} has ended with {code}:\n{self.said()}"
        return True

    def ends_well(self, within):
        code = self.process.wait(within)
        assert code == 0, f"{self.name} ended with {code}:\n{self.said()}"

    def is_locked_in(self):
        """Has the kernel's word for it."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert told["Uid"].split() == ["65532"] * 4, f"{self.name} is user {told['Uid']}"
        assert told["Gid"].split() == ["65532"] * 4 and not told["Groups"].strip(), f"{self.name} is in groups"
        assert int(told["CapEff"], 16) == 0 and told["NoNewPrivs"] == "1", f"{self.name} has privileges"
        mounts = pathlib.Path(f"/proc/{self.process.pid}/mountinfo").read_text().splitlines()
        (root,) = [line for line in mounts if line.split()[4] == "/"]
        assert "ro" in root.split()[5].split(","), f"{self.name} can write to its root"


class Pod:
    """One Deployment or Job as the chart wrote it."""

    def __init__(self, written, objects, host):
        self.name = written["metadata"]["name"]
        self.spec = written["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.environment = {entry["name"]: entry["value"] for entry in self.container["env"]}
        self.host = host
        places = {mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]}
        self.mounts = {places[volume["name"]]: self.folder(volume, objects) for volume in self.spec["volumes"]}

    def folder(self, volume, objects):
        folder = self.host.work / f"{self.name}.{volume['name']}"
        folder.mkdir()
        if "configMap" in volume:
            data = objects["ConfigMap", volume["configMap"]["name"]]["data"]
            for name, text in data.items():
                (folder / name).write_text(text)
            return str(folder)
        for source in volume["projected"]["sources"]:
            secret = SECRETS[source["secret"]["name"]]
            for item in source["secret"]["items"]:
                file = folder / item["path"]
                file.write_text(secret[item["key"]])
                os.chown(file, 0, self.spec["securityContext"]["fsGroup"])
                file.chmod(volume["projected"]["defaultMode"])
        return str(folder)

    def start(self):
        return self.host.run(self.name, self.container["args"], self.environment, self.mounts)

    def probe(self, which):
        """Of the address it really listens at."""
        path = self.container[which]["httpGet"]["path"]
        answer = get(self.environment["MILLRACE_MONITORING__LISTEN"], path)
        return answer and answer[0] == 200

    def asked(self, *words):
        """By an operator, from another machine."""
        address = self.environment["MILLRACE_GRPC__LISTEN"]
        command = [os.environ["MILLRACE"], "--server", f"http://{address}", "--token", "pods-operator-token", *words]
        answer = subprocess.run(command, capture_output=True, text=True)
        assert answer.returncode == 0, f"{self.name} refuses {words}: {answer.stderr}"

    def publishes(self):
        return re.search(r"^millrace_relay_published_total\S* [1-9]", self.metrics(), re.MULTILINE)

    def metrics(self):
        return get(self.environment["MILLRACE_MONITORING__LISTEN"], "/metrics")[1]


def rendered(root, erp, kafka, work):
    """The chart for this machine: each service has addresses of its own."""
    services = yaml.safe_load((root / "helm/millrace/values.yaml").read_text())["services"]
    own = {
        name: {
            f"MILLRACE_{listener}__LISTEN": free_address()
            for listener in ("GRPC", "HTTP", "MONITORING", "HOOKS")
        }
        for name in services
    }
    own["order-intake"]["MILLRACE_SERVICES__CUSTOMER_SYNC"] = f"http://{own['customer-sync']['MILLRACE_GRPC__LISTEN']}"
    values = {
        "kafka": {"bootstrap": kafka},
        "strimzi": {"cluster": "events", "topics": {"enabled": True}, "users": {"enabled": True}},
        "services": {name: {"env": env} for name, env in own.items()},
        "settings": (HERE / "pods.toml").read_text().replace("ERP", f"http://{erp}"),
    }
    file = work / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = ["helm", "template", "millrace", root / "helm/millrace", "--kube-version", "1.35.0"]
    command += ["--values", HERE / "values/least.yaml", "--values", file]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text) if one}


def run(root, cache, work, host):
    erp = free_address()
    host.run("erp", ["simulate", "--listen", erp]).runs()
    port, controller = free_port(), free_port()
    objects = rendered(root, erp, f"127.0.0.1:{port}", work)
    of_kind = lambda kind: [one for (found, _), one in objects.items() if found == kind]

    users = [one["metadata"]["name"] for one in of_kind("KafkaUser")]
    SECRETS.update({name: {"password": f"password-of-{name}"} for name in users})
    kafka = Kafka(cache / "kafka", work, port, controller, {name: SECRETS[name]["password"] for name in users})
    host.begun.append(kafka.start(PATIENCE))
    kafka.prepare(of_kind("KafkaTopic") + of_kind("KafkaUser"))
    say(f"Kafka has {len(of_kind('KafkaTopic'))} topics and {len(users)} users")

    jobs = [Pod(one, objects, host).start() for one in of_kind("Job")]
    for job in jobs:
        job.ends_well(PATIENCE)
    say(f"{len(jobs)} Jobs have made tables, and left topics alone")

    pods = [Pod(one, objects, host) for one in of_kind("Deployment")]
    running = [(pod, pod.start()) for pod in pods]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for pod, container in running:
            until(f"{probe} of {pod.name}", lambda: container.runs() and pod.probe(probe), container)
    for _, container in running:
        container.is_locked_in()
    say(f"{len(pods)} Deployments are ready, as user 65532 on a root nobody can write to")

    for pod, container in running:
        if pod.name.removeprefix("millrace-") in ("catalog-sync", "customer-sync", "stock-availability", "shop-delivery"):
            until(f"{pod.name} publishes", pod.publishes, container)
    for _, container in running:
        assert "uthoriz" not in container.log.read_text(), f"{container.name} wanted more than it may:\n{container.said()}"
    say("items, customers, stock and the channel's feed are published by users who may do that and no more")

    shop = "millrace-shop-furniture"
    refused = ["millrace.items", "millrace.shop.garden.items"]
    kafka.shop_reads(shop, SECRETS[shop]["password"], "millrace.shop.furniture.web", "millrace.shop.furniture.items", refused)
    say("a shop reads its own topics, and neither another shop's nor internal ones")

    for pod in pods:
        pod.asked("parked", "list")
    names_agree(root, [pod.metrics() for pod in pods])

    for _, container in running:
        container.process.send_signal(signal.SIGTERM)
    for pod, container in running:
        container.ends_well(pod.spec["terminationGracePeriodSeconds"])
    say("all of them have stopped within their time")


def names_agree(root, shown):
    """Whatever alerts and dashboards name is shown by some process."""
    types = re.findall(r"^# TYPE (\S+) (\S+)$", "\n".join(shown), re.MULTILINE)
    there = {f"{name}_total" if kind == "counter" else name for name, kind in types}
    monitoring = root / "deploy/monitoring"
    for file in [monitoring / "alerts.yaml", *sorted((monitoring / "dashboards").glob("*.json"))]:
        named = set(re.findall(r"\bmillrace_\w+", file.read_text()))
        assert named <= there, f"{file.name} asks for what nobody shows: {sorted(named - there)}"
    # Without TLS, as here, a process has none of grpc_tls.
    told = dict(re.findall(r"^\| `(millrace_(?!grpc_tls_)\w+)` \| (counter|gauge)", (monitoring / "METRICS.md").read_text(), re.MULTILINE))
    kinds = {f"{name}_total" if kind == "counter" else name: kind for name, kind in types}
    assert told == kinds, f"METRICS.md and the processes differ: {sorted(told.items() ^ kinds.items())}"
    say(f"{len(there)} metrics are shown and described, and alerts and dashboards ask for no others")


def settings_of_compose(root, host):
    """What compose.yaml tells its services can be read."""
    services = yaml.safe_load((root / "deploy/compose.yaml").read_text())["services"]
    for name, service in services.items():
        if service.get("command", [""])[0] in ("run", "migrate"):
            mounts = {"/etc/millrace": str(root / "deploy/compose")}
            host.run(f"compose-{name}", ["config", "check"], service["environment"], mounts).ends_well(PATIENCE)


def can_lock_in(work):
    """May this machine give a process a root of its own?"""
    if os.geteuid() != 0:
        return False
    return subprocess.run(["unshare", "--mount", "--", "true"], capture_output=True).returncode == 0


def main(root, cache):
    with tempfile.TemporaryDirectory(prefix="millrace-pods.") as folder:
        work = pathlib.Path(folder)
        # User 65532 looks through it.
        work.chmod(0o755)
        host = Host(root, work)
        if not can_lock_in(work):
            loader = next(host.tree.glob("lib*/ld-linux*"))
            libraries = ":".join(str(path) for path in host.tree.glob("lib/*") if path.is_dir())
            subprocess.run([loader, "--library-path", libraries, host.tree / "usr/bin/millrace", "--version"], check=True)
            say("NOT CHECKED HERE: this machine gives nobody a root of his own (that needs root and mount namespaces), so the "
                "image's binary was started from its tree, but not as user 65532 on a read-only root, and no pod was run")
            return
        try:
            settings_of_compose(root, host)
            run(root, cache, work, host)
        finally:
            host.end()


main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]))
