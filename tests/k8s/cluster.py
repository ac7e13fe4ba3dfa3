"""A Kubernetes without machines: etcd, API server, controller manager and scheduler are the real ones, nodes are kwok's, which say of
every pod that it runs. What is decided about pods is real; that nothing runs in them is not."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Longer is stuck.
PATIENCE = 180


def until(what, holds, patience=PATIENCE):
    """Asks again until it holds; answers what it answered."""
    deadline = time.monotonic() + patience
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {patience} s still not true: {what}")
        time.sleep(0.2)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cluster:
    """Stops everything when it is left."""

    def __init__(self, tools):
        self.tools = Path(tools)
        self.folder = Path(tempfile.mkdtemp(prefix="millrace-k8s-"))
        self.processes = []
        self.kubeconfig = self.folder / "kubeconfig"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        log = open(self.folder / f"{program}.log", "ab")
        command = [self.tools / "bin" / program, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)

    def _start(self):
        etcd, peers, api = free_port(), free_port(), free_port()
        keys = self.folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", keys, "2048"], check=True, capture_output=True)
        token = secrets.token_hex(16)
        (self.folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
        self._run(
            "etcd",
            "--data-dir=etcd",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
            "--unsafe-no-fsync",
        )
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={api}",
            "--cert-dir=certificates",
            f"--service-account-key-file={keys}",
            f"--service-account-signing-key-file={keys}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--token-auth-file=tokens.csv",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
        )
        self._write_kubeconfig(api, token)
        until("the API server is ready", lambda: self.succeeds("get", "--raw=/readyz"))
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={keys}",
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
        )
        self._run("kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        self._run("kwok", f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes", f"--config={self.tools / 'stages.yaml'}")

    def _write_kubeconfig(self, port, token):
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [
                {
                    "name": "it",
                    "cluster": {
                        "server": f"https://127.0.0.1:{port}",
                        "certificate-authority": str(self.folder / "certificates" / "apiserver.crt"),
                    },
                }
            ],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "admin"}}],
        }
        self.kubeconfig.write_text(json.dumps(config))

    def command(self, program, *arguments, given=None):
        """As it ended, with what it said."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        return subprocess.run([program, *map(str, arguments)], input=given, env=environment, capture_output=True, text=True)

    def kubectl(self, *arguments, given=None):
        done = self.command(self.tools / "bin" / "kubectl", *arguments, given=given)
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def succeeds(self, *arguments):
        return self.command(self.tools / "bin" / "kubectl", *arguments).returncode == 0

    def refusal(self, *arguments, given=None):
        """What is said against it."""
        done = self.command(self.tools / "bin" / "kubectl", *arguments, given=given)
        assert done.returncode != 0, f"kubectl {arguments} is not refused"
        return done.stderr

    def read(self, kind, *arguments):
        return json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]

    def apply(self, *things):
        self.kubectl("apply", "-f", "-", given="\n---\n".join(json.dumps(thing) for thing in things))

    def add_node(self, name, zone):
        room = {"cpu": "16", "memory": "64Gi", "pods": "110"}
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": zone,
        }
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        self.apply({**node, "status": {"allocatable": room, "capacity": room}})
