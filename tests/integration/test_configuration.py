"""Configuration from outside: what is refused, how the refusal reads, and what is in force."""

import pathlib
import socket
import tempfile
import unittest

from walden_daemon import REPOSITORY, run_waldend
from walden_testcase import WaldenTestCase


class ConfigurationTestCase(WaldenTestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="walden-config-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.file = self.folder / "given.yaml"

    def check(self, text, environment=None):
        self.file.write_text(text)
        return run_waldend("--check-config", "--config", self.file, environment=environment)

    def assert_refused_config(self, text, *expected, environment=None):
        """Refused, with every expected text in the message; nothing was created."""
        result = self.check(text, environment)
        message = result.stderr.decode()
        self.assertNotEqual(result.returncode, 0, message)
        self.assertGreater(result.returncode, 0, f"died by a signal: {message}")
        for part in expected:
            self.assertIn(part, message)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["given.yaml"])
        return message


class CheckConfigTest(ConfigurationTestCase):
    def test_the_documented_default_file_is_accepted(self):
        result = run_waldend("--check-config", "--config", REPOSITORY / "config/waldend.yaml")
        self.assertEqual(result.returncode, 0, result.stderr.decode())

    def test_no_file_at_all_is_accepted(self):
        self.assertEqual(run_waldend("--check-config", cwd=self.folder).returncode, 0)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_a_start_on_this_machine_would_refuse_is_refused(self):
        missing = self.folder / "missing"
        for text, *expected in (
            (f"listen: ['unix:{missing}/walden.sock']", "listen[0]", "No such file or directory"),
            ("listen: ['no-such-name.invalid:7070']\nsecurity: {allow_insecure_network: true}",
             "listen[0]", "no-such-name.invalid"),
            ("listen: ['192.0.2.1:7070']\nsecurity: {allow_insecure_network: true}",
             "listen[0]", "Cannot assign requested address"),
            (f"data_dir: {self.file}/data", "data_dir", "Not a directory"),
            (f"security: {{tls: {{certificate_file: {missing}, key_file: {missing}}}}}",
             "certificate_file", str(missing)),
            (f"security: {{identities_file: {missing}}}", "identities_file", str(missing)),
        ):
            with self.subTest(text):
                self.assert_refused_config(text + "\n", *expected)

    def test_a_metrics_address_that_a_start_would_go_on_without_is_a_warning(self):
        result = self.check("metrics: {listen: ['no-such-name.invalid:7071']}\n")
        self.assertEqual(result.returncode, 0)
        self.assertIn("metrics.listen[0]", result.stderr.decode())

    def test_the_address_of_a_running_daemon_is_accepted(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            self.assertEqual(self.check(f"listen: ['127.0.0.1:{port}']\n").returncode, 0)

    def test_an_unknown_key_names_file_line_and_the_nearest_known_one(self):
        self.assert_refused_config(
            "data_dir: ./d\nlimits:\n  max_batch_byte: 1MiB\n",
            "given.yaml:3", "max_batch_byte", "max_batch_bytes",
        )

    def test_a_value_out_of_range_names_the_range(self):
        self.assert_refused_config(
            "namespaces:\n  - id: 1\n    name: default\n    segment_size: 2GiB\n",
            "given.yaml:4", "segment_size", "2GiB", "1MiB", "1GiB",
        )

    def test_a_namespace_id_out_of_range_names_the_range(self):
        for value in ("0", "256", "-1"):
            with self.subTest(value):
                self.assert_refused_config(
                    f"namespaces:\n  - id: {value}\n    name: default\n",
                    "given.yaml:2", "id", value, "1", "255",
                )

    def test_bad_units_are_refused(self):
        for value in ("64", "64MB", "64 mib", "MiB", "-1MiB", "1.5MiB", "99999999999TiB", "0x10MiB"):
            with self.subTest(value):
                self.assert_refused_config(
                    f"limits:\n  mailbox_bytes: {value}\n", "given.yaml:2", "mailbox_bytes", value
                )

    def test_a_duration_without_unit_is_refused(self):
        self.assert_refused_config(
            "shutdown:\n  drain_timeout: 10\n", "given.yaml:2", "drain_timeout", "10", "unit"
        )

    def test_a_wrong_type_is_refused(self):
        self.assert_refused_config("limits: 5\n", "given.yaml:1", "limits")
        self.assert_refused_config("data_dir: [a, b]\n", "given.yaml:1", "data_dir")
        self.assert_refused_config("listen:\n  a: b\n", "given.yaml", "listen")

    def test_text_that_is_no_yaml_names_the_line(self):
        self.assert_refused_config("data_dir: ./d\nlimits: [1, 2\nlog: {\n", "given.yaml:")

    def test_every_problem_is_reported_not_only_the_first(self):
        self.assert_refused_config(
            "log:\n  level: loud\n  format: xml\nlimits:\n  max_open_regions: 0\n",
            "given.yaml:2", "loud", "info", "given.yaml:3", "xml", "json",
            "given.yaml:5", "max_open_regions",
        )

    def test_impossible_combinations_are_refused(self):
        cases = {
            "two namespaces with one id": (
                "namespaces:\n  - {id: 1, name: default}\n  - {id: 1, name: other}\n", "id"),
            "two namespaces with one name": (
                "namespaces:\n  - {id: 1, name: default}\n  - {id: 2, name: default}\n", "name"),
            "a default that is no namespace": ("default_namespace: other\n", "other"),
            "one address twice": ("listen: ['127.0.0.1:7071', '127.0.0.1:7071']\n", "7071"),
            "a batch that no segment holds": (
                "limits:\n  max_batch_bytes: 2MiB\n"
                "namespaces:\n  - {id: 1, name: default, segment_size: 1MiB}\n",
                "max_batch_bytes"),
            "an engine that does not exist": (
                "namespaces:\n  - {id: 1, name: default, engine: tape}\n", "tape"),
        }
        for name, (text, *expected) in cases.items():
            with self.subTest(name):
                self.assert_refused_config(text, "given.yaml:", *expected)

    def test_a_file_that_is_not_there_is_named(self):
        result = run_waldend("--check-config", "--config", self.folder / "absent.yaml")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("absent.yaml", result.stderr.decode())

    def test_the_daemon_does_not_start_on_what_the_check_refuses(self):
        self.file.write_text("limits:\n  max_open_regions: 0\n")
        result = run_waldend("--config", self.file)
        self.assertGreater(result.returncode, 0)
        self.assertIn("given.yaml:2", result.stderr.decode())

    def test_an_unknown_option_is_a_usage_error(self):
        self.assertGreater(run_waldend("--dat-dir", "x").returncode, 0)


class EnvironmentTest(ConfigurationTestCase):
    def test_a_variable_out_of_range_is_named(self):
        self.assert_refused_config(
            "", "WALDEN_LIMITS_MAX_OPEN_REGIONS", "0",
            environment={"WALDEN_LIMITS_MAX_OPEN_REGIONS": "0"},
        )

    def test_an_unknown_variable_is_refused(self):
        self.assert_refused_config(
            "", "WALDEN_LIMITS_MAX_OPEN_REGION",
            environment={"WALDEN_LIMITS_MAX_OPEN_REGION": "5"},
        )

    def test_environment_wins_over_the_file_and_options_over_both(self):
        self.file.write_text("data_dir: /from-file\n")
        environment = {"WALDEN_DATA_DIR": "/from-environment"}

        def printed(*options, **extra):
            result = run_waldend("--print-config", "--config", self.file, *options, **extra)
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            return result.stdout.decode()

        self.assertIn("/from-file", printed())
        self.assertIn("/from-environment", printed(environment=environment))
        text = printed("--data-dir", "/from-option", environment=environment)
        self.assertIn("/from-option", text)
        self.assertNotIn("/from-environment", text)

    def test_a_container_can_be_set_up_by_environment_alone(self):
        daemon = self.new_daemon()
        daemon.use_environment_only()
        daemon.start()
        self.new_client(daemon).append(1, 1, [b"x"])
        self.assertTrue(daemon.region_folder(1).is_dir())


class PrintConfigTest(ConfigurationTestCase):
    def test_what_is_printed_loads_to_the_same(self):
        self.file.write_text(
            "limits:\n  mailbox_bytes: 32MiB\n"
            "namespaces:\n  - id: 3\n    name: data\n    durability: buffered\n"
            "    regions:\n      - {id: 7, segment_size: 4MiB}\n"
            "default_namespace: data\n"
        )
        first = run_waldend("--print-config", "--config", self.file)
        self.assertEqual(first.returncode, 0, first.stderr.decode())
        again_file = self.folder / "again.yaml"
        again_file.write_bytes(first.stdout)
        again = run_waldend("--print-config", "--config", again_file)
        self.assertEqual(again.returncode, 0, again.stderr.decode())

        def without_comments(text):
            return [line.split("#")[0].rstrip() for line in text.decode().splitlines()]

        self.assertEqual(without_comments(first.stdout), without_comments(again.stdout))
        self.assertIn("given.yaml:2", first.stdout.decode())


class InForceTest(WaldenTestCase):
    def test_settings_of_namespace_and_region_are_in_force(self):
        daemon = self.new_daemon(
            {
                "default_namespace": "second",
                "namespaces": [
                    {"id": 5, "name": "first", "segment_size": "2MiB"},
                    {
                        "id": 9,
                        "name": "second",
                        "durability": "buffered",
                        "regions": [{"id": 7, "durability": "sync", "segment_size": "1MiB"}],
                    },
                ],
            }
        )
        daemon.start()
        client = self.new_client(daemon)
        self.assertEqual(
            [(n.namespace_id, n.name, n.is_default) for n in client.list_namespaces()],
            [(5, "first", False), (9, "second", True)],
        )
        # Whether an append is answered before it is durable shows the default in force: a buffered
        # one may be answered as durable, but ten writes in a row never all are.
        answers = [client.append(1, 1, [b"x"], durability=0).durable for _ in range(9)]
        self.assertIn(False, answers)
        self.assertTrue(client.append(7, 1, [b"x"], durability=0).durable)
        client.append(1, 1, [b"x"], namespace=5)
        self.assertEqual(client.describe_region(7).segments[0].allocated_bytes, 1 << 20)
        described = client.describe_region(1, namespace=5)
        self.assertEqual(described.segments[0].allocated_bytes, 2 << 20)
        self.assertEqual(len(client.read(1, 1, namespace=5).records), 1)
        self.assertEqual(len(client.read(1, 1, namespace=9).records), 9)


if __name__ == "__main__":
    unittest.main()
