"""The files in deploy/ as the programs read them that they are for."""

import pathlib
import re

import yaml

from walden_stubs import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMPOSE = DEPLOY / "compose"


def load(path):
    return yaml.safe_load(pathlib.Path(path).read_text())


class Image:
    """What the Dockerfile's last stage says."""

    def __init__(self):
        text = (REPOSITORY / "Dockerfile").read_text()
        stage = re.split(r"^FROM ", text, flags=re.M)[-1].replace("\\\n", " ")
        self.instructions = re.findall(r"^([A-Z]+)\s+(.*)$", stage, flags=re.M)
        self.user = self.all("USER")[-1]
        self.volumes = yaml.safe_load(self.all("VOLUME")[-1])
        self.ports = [int(port) for port in self.all("EXPOSE")[-1].split()]
        self.entrypoint = yaml.safe_load(self.all("ENTRYPOINT")[-1])
        self.environment = dict(
            pair.split("=", 1) for line in self.all("ENV") for pair in line.split()
        )
        self.health_check = yaml.safe_load(self.all("HEALTHCHECK")[-1].split("CMD", 1)[1])

    def all(self, instruction):
        return [rest for name, rest in self.instructions if name == instruction]

    @property
    def config_file(self):
        return self.entrypoint[self.entrypoint.index("--config") + 1]

    def copied_from(self, target):
        """The file of the repository that is in the image as `target`."""
        (source,) = [line.split()[-2] for line in self.all("COPY") if line.split()[-1] == target]
        return REPOSITORY / source


class Pod:
    """The pod of the Kubernetes base, or with the overlay's additions."""

    def __init__(self, overlay=None):
        self.stateful_set = load(KUBERNETES / "base/statefulset.yaml")
        self.spec = self.stateful_set["spec"]["template"]["spec"]
        self.folder = KUBERNETES / "base"
        if overlay:
            self.folder = KUBERNETES / "overlays" / overlay
            patch = load(self.folder / "statefulset.yaml")["spec"]["template"]["spec"]
            for addition in patch["initContainers"] + patch["containers"]:
                patched = self.container(addition["name"])
                for key in addition.keys() - {"name"}:
                    patched[key] = patched.get(key, []) + addition[key]
            self.spec["volumes"] = self.spec["volumes"] + patch["volumes"]

    @property
    def containers(self):
        return self.spec["initContainers"] + self.spec["containers"]

    def container(self, name):
        (found,) = [container for container in self.containers if container["name"] == name]
        return found

    @property
    def walden(self):
        return self.container("walden")

    @property
    def config_file(self):
        """The ConfigMap's, which the kustomization makes of this one."""
        (generator,) = load(self.folder / "kustomization.yaml")["configMapGenerator"]
        (name,) = generator["files"]
        return self.folder / name

    def port(self, name):
        (port,) = [p["containerPort"] for p in self.walden["ports"] if p["name"] == name]
        return port

    def mounts(self, container):
        return {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}


class Unit:
    """A systemd unit: its settings, each a list of what was assigned."""

    def __init__(self, name):
        self.settings = {}
        for line in (DEPLOY / "systemd" / name).read_text().splitlines():
            if re.match(r"\w+=", line):
                key, value = line.split("=", 1)
                self.settings.setdefault(key, []).append(value)

    def __getitem__(self, key):
        (value,) = self.settings[key]
        return value

    @property
    def environment(self):
        return dict(value.split("=", 1) for value in self.settings.get("Environment", []))


def duration_seconds(text):
    """Of the form that deploy/ and the configuration use: 60s, 10m, 500ms."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", str(text)).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]
