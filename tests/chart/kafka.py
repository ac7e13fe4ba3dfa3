"""A Kafka in which nobody may do anything that a KafkaUser of the chart does not allow, with the topics of the chart's KafkaTopics and
no others. Users sign in by name and password, without encryption: what the binary can do."""

import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).parent


def login(user, password):
    return f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{user}" password="{password}"'


class Kafka:
    def __init__(self, jars, work, port, controller, passwords):
        self.jars = jars
        self.folder = work / "kafka"
        self.folder.mkdir()
        self.bootstrap = f"127.0.0.1:{port}"
        users = " ".join(f'user_{name}="{password}"' for name, password in {**passwords, "admin": "admin"}.items())
        settings = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"CLIENTS://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"CLIENTS://{self.bootstrap}",
            "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "CLIENTS",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": f"{login('admin', 'admin')} {users};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # Nobody but the broker itself comes in by the controller's door.
            "super.users": "User:admin;User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 16777216,
        }
        self.settings = self.write("server.properties", settings)
        self.log = self.folder / "kafka.log"

    def write(self, name, settings):
        file = self.folder / name
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return file

    def client(self, user, password):
        return self.write(f"{user}.properties", {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.jaas.config": f"{login(user, password)};",
        })

    def java(self, *arguments):
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        return ["java", *options, "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info", "-cp", f"{self.jars}/*", *map(str, arguments)]

    def start(self, patience):
        identity = ["--cluster-id", "TWlsbHJhY2VDaGFydFBvZA", "--config", self.settings]
        subprocess.run(self.java("kafka.tools.StorageTool", "format", *identity), check=True, capture_output=True)
        with self.log.open("w") as log:
            process = subprocess.Popen(self.java("kafka.Kafka", self.settings), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + patience
        while "Kafka Server started" not in self.log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, f"Kafka did not start:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.1)
        return process

    def prepare(self, objects):
        """What Strimzi's operators would do."""
        lines = []
        for one in objects:
            spec = one["spec"]
            if one["kind"] == "KafkaTopic":
                config = [f"{key}={value}" for key, value in spec["config"].items()]
                lines.append(["topic", spec["topicName"], str(spec["partitions"]), *config])
            if one["kind"] == "KafkaUser":
                for acl in spec["authorization"]["acls"]:
                    resource = acl["resource"]
                    place = [resource["type"], resource["name"], resource["patternType"]]
                    lines += [["right", one["metadata"]["name"], *place, operation] for operation in acl["operations"]]
        file = self.folder / "lines"
        file.write_text("".join("\t".join(line) + "\n" for line in lines))
        subprocess.run(self.java(HERE / "Prepare.java", self.client("admin", "admin"), file), check=True)

    def shop_reads(self, user, password, group, topic, refused):
        """One topic, and none of the others."""
        command = self.java(HERE / "Shop.java", self.client(user, password), group, topic, *refused)
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{user}: {done.stderr[-3000:]}"
