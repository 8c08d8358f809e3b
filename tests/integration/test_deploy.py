"""The files in deploy/ agree with each other, with the image and with the daemon's defaults.

scripts/check-deploy.sh checks them by the tools that will read them.
"""

import unittest

import yaml

from deploy_files import COMPOSE, KUBERNETES, Image, Pod, Unit, duration_seconds, load
from walden_stubs import REPOSITORY

DEFAULTS = load(REPOSITORY / "config/waldend.yaml")
DRAIN_SECONDS = duration_seconds(DEFAULTS["shutdown"]["drain_timeout"])
HTTP_PATHS = {"/healthz", "/readyz", "/metrics"}


def socket_of(config):
    (address,) = [a for a in config["listen"] if a.startswith("unix:")]
    return address


class ImageTest(unittest.TestCase):
    image = Image()
    config = load(image.copied_from(image.config_file))

    def test_it_runs_as_a_user_who_is_not_root_by_number(self):
        self.assertEqual(self.image.user, "7070:7070")

    def test_it_writes_to_its_volumes_only(self):
        self.assertIn(self.config["data_dir"], self.image.volumes)
        socket = socket_of(self.config).removeprefix("unix:")
        self.assertIn(socket.rsplit("/", 1)[0], self.image.volumes)

    def test_its_own_client_and_health_check_find_the_daemon(self):
        self.assertEqual(self.image.environment["WALDEN_ADDRESS"], socket_of(self.config))
        self.assertEqual(self.image.health_check[:2], ["/usr/local/bin/walden", "health"])

    def test_it_listens_where_only_neighbours_are(self):
        self.assertEqual(
            self.config["listen"], [*DEFAULTS["listen"], "unix:/run/walden/walden.sock"]
        )

    def test_its_ports_are_the_defaults(self):
        grpc = int(DEFAULTS["listen"][0].rsplit(":", 1)[1])
        (address,) = self.config["metrics"]["listen"]
        http = int(address.rsplit(":", 1)[1])
        self.assertEqual(self.image.ports, [grpc, http])

    def test_everything_that_is_copied_is_in_the_build_context(self):
        allowed = {
            line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
            if line.startswith("!")
        }
        for name in allowed:
            self.assertTrue((REPOSITORY / name).exists(), name)
        for line in self.image.all("COPY"):
            if not line.startswith("--from"):
                source = line.split()[-2]
                self.assertTrue(
                    any(source == name or source.startswith(name + "/") for name in allowed), source
                )


class KubernetesTest(unittest.TestCase):
    image = Image()

    def pods(self):
        """The base's and the overlay's, each with its configuration."""
        pods = [Pod(), Pod("secured")]
        return [(pod, load(pod.config_file)) for pod in pods]

    def test_every_container_is_locked_down_as_the_images_user(self):
        for pod, _ in self.pods():
            context = pod.spec["securityContext"]
            self.assertEqual(f"{context['runAsUser']}:{context['runAsGroup']}", self.image.user)
            self.assertEqual(context["fsGroup"], context["runAsGroup"])
            self.assertTrue(context["runAsNonRoot"])
            self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})
            for container in pod.containers:
                own = container["securityContext"]
                self.assertIs(own["readOnlyRootFilesystem"], True, container["name"])
                self.assertIs(own["allowPrivilegeEscalation"], False, container["name"])
                self.assertEqual(own["capabilities"], {"drop": ["ALL"]}, container["name"])
                self.assertIn("memory", container["resources"]["limits"], container["name"])

    def test_what_the_daemon_writes_is_mounted_and_its_configuration_is_where_it_looks(self):
        for pod, config in self.pods():
            mounts = pod.mounts(pod.walden)
            self.assertEqual(mounts["data"], config["data_dir"])
            self.assertEqual(f"unix:{mounts['run']}/walden.sock", socket_of(config))
            self.assertEqual(
                f"{mounts['configuration']}/{pod.config_file.name}", self.image.config_file
            )
            claims = pod.stateful_set["spec"]["volumeClaimTemplates"]
            volumes = {v["name"] for v in pod.spec["volumes"] + [c["metadata"] for c in claims]}
            for container in pod.containers:
                self.assertLessEqual(set(pod.mounts(container)), volumes, container["name"])

    def test_the_neighbours_talk_to_the_socket_that_they_share(self):
        for pod, config in self.pods():
            for container in pod.containers:
                mounts = pod.mounts(container)
                self.assertEqual(mounts["run"], pod.mounts(pod.walden)["run"], container["name"])
                variables = {v["name"]: v["value"] for v in container.get("env", [])}
                address = variables.get("WALDEN_ADDRESS", self.image.environment["WALDEN_ADDRESS"])
                self.assertEqual(address, socket_of(config), container["name"])

    def test_files_that_the_configuration_names_are_mounted_from_secrets(self):
        pod = Pod("secured")
        secrets = {v["name"]: v["secret"]["secretName"] for v in pod.spec["volumes"] if "secret" in v}

        def in_secret(container, path):
            folder, name = path.rsplit("/", 1)
            (volume,) = [v for v, mounted in pod.mounts(container).items() if mounted == folder]
            return secrets.get(volume), name

        security = load(pod.config_file)["security"]
        named = {
            "certificate": security["tls"]["certificate_file"],
            "key": security["tls"]["key_file"],
            "identities": security["identities_file"],
        }
        self.assertEqual(
            {what: in_secret(pod.walden, path) for what, path in named.items()},
            {
                # The names that a Secret of type TLS has.
                "certificate": ("walden-tls", "tls.crt"),
                "key": ("walden-tls", "tls.key"),
                "identities": ("walden-identities", "identities.yaml"),
            },
        )
        application = pod.container("application")
        (token,) = [v["value"] for v in application["env"] if v["name"] == "WALDEN_TOKEN_FILE"]
        self.assertEqual(in_secret(application, token), ("walden-token", "token"))

    def test_ports_are_those_of_the_configuration(self):
        for pod, config in self.pods():
            self.assertEqual(config["metrics"]["listen"], [f"0.0.0.0:{pod.port('metrics')}"])
            annotations = pod.stateful_set["spec"]["template"]["metadata"]["annotations"]
            self.assertEqual(annotations["prometheus.io/port"], str(pod.port("metrics")))
            self.assertIn(annotations["prometheus.io/path"], HTTP_PATHS)
        secured = Pod("secured")
        self.assertIn(f"0.0.0.0:{secured.port('grpc')}", load(secured.config_file)["listen"])
        for name, port in (("base/service.yaml", "metrics"), ("overlays/secured/service.yaml", "grpc")):
            (exposed,) = load(KUBERNETES / name)["spec"]["ports"]
            self.assertEqual(exposed["name"], port)
            self.assertEqual(exposed["port"], secured.port(port))
            self.assertEqual(exposed["targetPort"], secured.port(port))
        (patch,) = [p["patch"] for p in load(secured.folder / "kustomization.yaml")["patches"]
                    if "patch" in p]
        (addition,) = yaml.safe_load(patch)
        (allowed,) = addition["value"]["ports"]
        self.assertEqual(allowed["port"], secured.port("grpc"))
        policy = load(KUBERNETES / "components/network-policy/networkpolicy.yaml")["spec"]
        (allowed,) = policy["ingress"][0]["ports"]
        self.assertEqual(allowed["port"], secured.port("metrics"))

    def test_only_a_daemon_that_lives_and_does_not_answer_is_restarted(self):
        walden = Pod().walden
        paths = {kind: walden[f"{kind}Probe"]["httpGet"]["path"]
                 for kind in ("startup", "readiness", "liveness")}
        self.assertEqual(
            paths, {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
        )
        for kind in paths:
            self.assertEqual(walden[f"{kind}Probe"]["httpGet"]["port"], "metrics")

    def test_stopping_is_given_more_time_than_draining_takes(self):
        self.assertGreaterEqual(
            Pod().spec["terminationGracePeriodSeconds"], DRAIN_SECONDS + 30
        )

    def test_selectors_find_the_pod(self):
        base = load(KUBERNETES / "base/kustomization.yaml")
        (labels,) = [entry["pairs"] for entry in base["labels"] if entry["includeSelectors"]]
        monitor = load(KUBERNETES / "components/monitoring/podmonitor.yaml")["spec"]
        self.assertEqual(monitor["selector"]["matchLabels"], labels)
        self.assertEqual(monitor["podMetricsEndpoints"][0]["port"], "metrics")
        policy = load(KUBERNETES / "components/network-policy/networkpolicy.yaml")["spec"]
        self.assertEqual(policy["podSelector"]["matchLabels"], labels)
        service = load(KUBERNETES / "overlays/secured/service.yaml")["spec"]
        self.assertEqual(service["selector"], labels)

    def test_every_file_that_a_kustomization_names_is_there(self):
        for file in KUBERNETES.rglob("kustomization.yaml"):
            kustomization = load(file)
            names = kustomization.get("resources", []) + kustomization.get("components", [])
            names += [p["path"] for p in kustomization.get("patches", []) if "path" in p]
            for generator in kustomization.get("configMapGenerator", []):
                names += generator["files"]
            for name in names:
                self.assertTrue((file.parent / name).exists(), f"{file}: {name}")


class ComposeTest(unittest.TestCase):
    image = Image()

    def setUp(self):
        self.files = [load(COMPOSE / "docker-compose.yaml"), load(COMPOSE / "docker-compose.secured.yaml")]
        self.services = self.files[0]["services"]

    def test_every_service_is_locked_down(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                self.assertRegex(service["user"], r"^[1-9]\d*:[1-9]\d*$")
                self.assertEqual(service["restart"], "unless-stopped")
                self.assertIn("healthcheck", service)

    def test_walden_is_the_images_user_with_the_images_volumes_and_health_check(self):
        walden = self.services["walden"]
        self.assertEqual(walden["user"], self.image.user)
        self.assertEqual(self.services["example"]["user"], self.image.user)
        self.assertEqual([v.split(":")[1] for v in walden["volumes"]], self.image.volumes)
        self.assertEqual(walden["healthcheck"]["test"][1:],
                         ["walden", *self.image.health_check[1:]])

    def test_stopping_is_given_more_time_than_draining_takes(self):
        grace = duration_seconds(self.services["walden"]["stop_grace_period"])
        self.assertGreaterEqual(grace, DRAIN_SECONDS + 30)

    def test_only_what_is_secured_is_published_beyond_this_machine(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")
        secured = self.files[1]["services"]["walden"]
        self.assertEqual(secured["ports"], ["7070:7070"])
        self.assertIn("WALDEN_SECURITY_TLS_KEY_FILE", secured["environment"])
        self.assertIn("WALDEN_SECURITY_IDENTITIES_FILE", secured["environment"])

    def test_secrets_come_from_files_that_are_not_in_the_repository(self):
        declared = {name: secret["file"] for file in self.files
                    for name, secret in file["secrets"].items()}
        ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
        self.assertIn("/deploy/compose/secrets/", ignored)
        used = set()
        for file in self.files:
            for service in file["services"].values():
                used.update(service.get("secrets", []))
                for variable, value in service.get("environment", {}).items():
                    if value.startswith("/run/secrets/"):
                        self.assertIn(value.removeprefix("/run/secrets/"), service["secrets"])
        self.assertEqual(used, set(declared))
        for file in declared.values():
            self.assertTrue(file.startswith("./secrets/"), file)

    def test_every_volume_is_declared(self):
        for name, service in self.services.items():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if not source.startswith("."):
                    self.assertIn(source, self.files[0]["volumes"], name)

    def test_prometheus_scrapes_walden_and_grafana_asks_prometheus(self):
        prometheus = load(COMPOSE / "prometheus/prometheus.yaml")
        (job,) = prometheus["scrape_configs"]
        http = self.image.ports[1]
        self.assertEqual(job["static_configs"], [{"targets": [f"walden:{http}"]}])
        mounted = [v.split(":")[1] for v in self.services["prometheus"]["volumes"]]
        for rules in prometheus["rule_files"]:
            self.assertIn(rules, mounted)
        (source,) = load(COMPOSE / "grafana/datasource.yaml")["datasources"]
        self.assertEqual(source["url"], "http://prometheus:9090")
        (provider,) = load(COMPOSE / "grafana/dashboards.yaml")["providers"]
        mounted = [v.split(":")[1] for v in self.services["grafana"]["volumes"]]
        self.assertIn(f"{provider['options']['path']}/walden.json", mounted)


class SystemdTest(unittest.TestCase):
    unit = Unit("waldend.service")

    def test_it_runs_and_checks_the_same_program_with_the_same_configuration(self):
        command = "/usr/local/bin/waldend --config /etc/walden/waldend.yaml"
        self.assertEqual(self.unit["ExecStart"], command)
        self.assertEqual(self.unit["ExecStartPre"], command + " --check-config")
        self.assertEqual(Image().entrypoint, command.split())

    def test_what_it_may_write_is_where_the_data_and_the_socket_are(self):
        self.assertEqual(self.unit.environment["WALDEN_DATA_DIR"],
                         f"/var/lib/{self.unit['StateDirectory']}")
        self.assertEqual(self.unit["RuntimeDirectory"], "walden")
        self.assertEqual(self.unit["ProtectSystem"], "strict")

    def test_it_is_told_to_stop_and_to_reload_as_the_daemon_understands_it(self):
        self.assertEqual(self.unit["KillSignal"], "SIGTERM")
        self.assertEqual(self.unit["ExecReload"], "/bin/kill -HUP $MAINPID")
        self.assertGreaterEqual(int(self.unit["TimeoutStopSec"]), DRAIN_SECONDS + 30)

    def test_exit_codes_that_another_start_cannot_mend_are_those_of_the_daemon(self):
        self.assertEqual(self.unit["RestartPreventExitStatus"], "2 3")
        main = (REPOSITORY / "server/daemon/main.cc").read_text()
        for name, code in (("kExitBadUsage", 2), ("kExitBadConfig", 3)):
            self.assertIn(f"{name} = {code},", main)

    def test_every_credential_is_named_by_a_variable(self):
        secured = Unit("tls.conf")
        credentials = {value.split(":")[0] for value in secured.settings["LoadCredential"]}
        named = {value.removeprefix("%d/") for value in secured.environment.values()}
        self.assertEqual(credentials, named)


if __name__ == "__main__":
    unittest.main()
