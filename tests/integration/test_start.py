"""What a start meets and goes on without: namespaces that cannot be opened, few files, small disks."""

import unittest

from walden_client import WaldenError
from walden_daemon import small_segments
from walden_testcase import Code, WaldenTestCase

TWO = {"namespaces": [{"id": 1, "name": "default"}, {"id": 2, "name": "second"}]}


class StartTest(WaldenTestCase):
    def test_a_namespace_that_cannot_be_opened_stops_no_other_and_comes_back_by_itself(self):
        daemon = self.new_daemon({**TWO, "recovery": {"reopen_backoff": "50ms"}})
        daemon.data.mkdir()
        in_the_way = daemon.data / "second"
        in_the_way.write_text("no directory")
        daemon.start()
        client = self.new_client(daemon)
        client.append(1, 1, [b"served"])
        status, _, text = daemon.http("/readyz")
        self.assertEqual(status, 200)
        self.assertRegex(text, r"namespace second is not served: .*second")
        self.assertEqual(daemon.metrics()['walden_namespace_open{namespace="second"}'], 0)
        with self.assert_refused(Code.UNAVAILABLE, "IO_ERROR"):
            client.append(1, 1, [b"x"], namespace=2)
        in_the_way.unlink()
        self.eventually(lambda: daemon.http("/readyz")[2] == "ready\n", "it is opened again")

        def is_served():
            try:
                return client.append(1, 1, [b"x"], namespace=2)
            except WaldenError:
                return None

        self.eventually(is_served, "its regions are, too")
        self.assertEqual(daemon.metrics()['walden_namespace_open{namespace="second"}'], 1)

    def test_a_namespace_of_another_engine_is_named_and_left_alone(self):
        daemon = self.new_daemon(TWO)
        daemon.start()
        with self.new_client(daemon) as client:
            client.append(1, 1, [b"x"], namespace=2)
        daemon.terminate()
        daemon.configure({"namespaces": [TWO["namespaces"][0],
                                         {"id": 2, "name": "second", "engine": "rocksdb"}]})
        daemon.start()
        self.assertIn("namespace second is not served", daemon.http("/readyz")[2])
        self.new_client(daemon).append(1, 1, [b"served"])

    def test_a_namespace_that_got_another_name_does_not_begin_anew(self):
        for engine in ("segment", "rocksdb"):
            with self.subTest(engine=engine):
                second = {"id": 2, "name": "second", "engine": engine}
                daemon = self.new_daemon({"namespaces": [TWO["namespaces"][0], second]})
                daemon.start()
                with self.new_client(daemon) as client:
                    client.append(1, 1, [b"x"], namespace=2)
                daemon.terminate()
                daemon.configure({"namespaces": [TWO["namespaces"][0], dict(second, name="other")]})
                daemon.start()
                problem = daemon.http("/readyz")[2]
                self.assertIn("namespace other is not served", problem)
                self.assertIn("holds namespace second with id 2", problem)
                with self.new_client(daemon) as client:
                    with self.assert_refused(Code.FAILED_PRECONDITION, "WRONG_NAMESPACE"):
                        client.read(1, 1, namespace=2)
                    client.append(1, 1, [b"served"])
                daemon.terminate()
                daemon.configure({"namespaces": [TWO["namespaces"][0], second]})
                daemon.start()
                with self.new_client(daemon) as client:
                    self.assertEqual(client.append(1, 1, [b"y"], namespace=2).first_sequence, 2)

    def test_a_namespace_that_left_the_configuration_is_mentioned(self):
        daemon = self.new_daemon(TWO)
        daemon.start()
        with self.new_client(daemon) as client:
            client.append(1, 1, [b"x"], namespace=2)
        daemon.terminate()
        daemon.configure({"namespaces": TWO["namespaces"][:1]})
        daemon.start()
        self.assertIn("directory second holds data of a namespace that is not configured",
                      daemon.http("/readyz")[2])
        self.assertEqual(daemon.metrics()["walden_unconfigured_namespaces"], 1)
        self.assertIn("a directory holds data of a namespace that is not configured",
                      daemon.log_text())
        self.assertTrue((daemon.data / "second" / "1").is_dir())

    def test_more_regions_than_open_files_allow_are_all_served_and_start_again(self):
        daemon = self.new_daemon(small_segments(spare_segments=0))
        daemon.wrapper = ["prlimit", "--nofile=64:64"]
        regions = range(1, 65)
        daemon.start()
        with self.new_client(daemon) as client:
            for region in regions:
                client.append(region, 1, [b"of region %d" % region])
        daemon.crash_and_restart()
        with self.new_client(daemon) as client:
            for region in regions:
                self.assertEqual(client.read(region, 1).records, [(1, b"of region %d" % region)])
        self.assertLess(daemon.open_files(), 64)
        daemon.terminate()

    def test_too_few_files_for_anything_are_a_clear_refusal(self):
        daemon = self.new_daemon()
        daemon.wrapper = ["prlimit", "--nofile=20:20"]
        daemon.spawn()
        self.assertEqual(daemon.wait_exit().code, 1)
        self.assertIn("needs at least", daemon.log_text())


if __name__ == "__main__":
    unittest.main()
