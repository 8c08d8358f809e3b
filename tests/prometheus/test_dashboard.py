"""Every query of the dashboard and every alert, asked of a real Prometheus that scrapes a daemon under
load: each must parse, and each must have an answer unless it is listed here with the reason."""

import json
import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

from prometheus_server import PrometheusServer
from watched_daemon import WatchedDaemon

REPOSITORY = HERE.parents[1]
DEPLOY = REPOSITORY / "deploy"

# Parts of queries that may have no answer here, and why.
MAY_BE_EMPTY = {
    "ALERTS{": "an alert must have been true for as long as its rule says",
    "walden_disk_quota": "only with a quota",
    "walden_tls_certificate_expiry_timestamp_seconds": "only with TLS",
}

# Alerts whose condition is true here: a broken region, found damage, refused reads, fenced writers and
# a torn tail. The others must be silent.
TRUE_HERE = {
    "WaldenRegionBroken", "WaldenDamageFound", "WaldenDamagedReads", "WaldenFencingSpike", "WaldenTornTail",
}
# Alerts about the machine: when the disk will be full, judged here by the trend of seconds instead of a
# quarter of an hour, and how long syncs take on a disk that others write to.
MAY_BE_TRUE_HERE = {"WaldenDiskWillBeFull", "WaldenSyncSlow"}


def without_variables(query):
    return (query.replace("$instance", ".*").replace("$namespace", ".*")
            .replace("$__rate_interval", "10s"))


def dashboard_queries():
    dashboard = json.loads((DEPLOY / "grafana/walden.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], without_variables(target["expr"])


def alert_queries():
    """(alert, expression) of each rule; an expression is a line, or an indented block."""
    text = (DEPLOY / "prometheus/alerts.yaml").read_text()
    for rule in re.split(r"\n      - alert: ", text)[1:]:
        block = re.search(r"\n        expr: (\|\n((?: {10}.*\n)+)|.*\n)", rule)
        yield rule.split("\n")[0], (block.group(2) or block.group(1)).strip()


def reason_to_be_empty(query):
    return next((why for part, why in MAY_BE_EMPTY.items() if part in query), None)


class DashboardTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.watched = WatchedDaemon()
        cls.addClassCleanup(cls.watched.close)
        cls.watched.start_load()
        cls.prometheus = PrometheusServer(
            [cls.watched.daemon.metrics_address()], [DEPLOY / "prometheus/alerts.yaml"]
        )
        cls.addClassCleanup(cls.prometheus.discard)
        cls.prometheus.start()
        # So that every rate has its two points, of counters too that appear with their first event.
        cls.prometheus.wait_for(
            "count_over_time(walden_ready[20s])", lambda count: count is not None and count > 12, 120
        )

    def test_every_query_of_the_dashboard_has_an_answer(self):
        self.prometheus.scrape_again()
        silent = []
        for title, query in dashboard_queries():
            with self.subTest(panel=title):
                answer = self.prometheus.query(query)
                if not answer and reason_to_be_empty(query) is None:
                    silent.append(f"{title}: {query}")
        self.assertEqual(silent, [], "queries without an answer")

    def test_what_the_dashboard_says_agrees_with_the_daemon(self):
        with self.watched.daemon.client() as client:
            self.watched.stop_load()
            counted = client.statistics()
        self.prometheus.wait_for("walden_append_records_total", counted.appended_record_count)
        ((labels, _),) = self.prometheus.query('walden_region_fault{state="broken"} == 1')
        self.assertEqual((labels["namespace"], labels["region"]), ("default", "4"))

    def test_every_alert_can_be_asked_and_only_those_that_are_true_here_fire(self):
        alerts = dict(alert_queries())
        self.assertGreater(len(alerts), 10)
        self.prometheus.scrape_again()
        true = {name for name, query in alerts.items() if self.prometheus.query(query)}
        self.assertEqual(true - MAY_BE_TRUE_HERE, TRUE_HERE)

    def test_every_metric_that_is_asked_for_is_documented(self):
        documented = (REPOSITORY / "docs/operators/metrics.md").read_text()
        queries = [query for _, query in [*dashboard_queries(), *alert_queries()]]
        names = set(re.findall(r"\b(?:walden|process)_[a-z_]+", " ".join(queries)))
        missing = sorted(
            name for name in names
            if re.sub(r"_(bucket|sum|count)$", "", name) not in documented
        )
        self.assertEqual(missing, [], "not in docs/operators/metrics.md")


if __name__ == "__main__":
    unittest.main()
