"""The alert rules: promtool's checks and unit tests, and what promtool does not ask for."""

import json
import pathlib
import re
import subprocess
import unittest

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/alerts.yaml"
TESTS = DEPLOY / "prometheus/alerts_test.yaml"


def promtool(*arguments):
    return subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=TESTS.parent
    )


class AlertsTest(unittest.TestCase):
    def test_the_rules_and_the_scrape_configuration_are_valid(self):
        for arguments in (("check", "rules", RULES),
                          ("check", "config", DEPLOY / "prometheus/prometheus.yaml")):
            done = promtool(*arguments)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_alert_fires_when_it_must_and_only_then(self):
        done = promtool("test", "rules", TESTS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
        tests = TESTS.read_text()
        self.assertEqual(len(alerts), len(set(alerts)))
        for alert in alerts:
            self.assertIn(f"- name: {alert} fires\n", tests)
            self.assertIn(f"- name: {alert} stays silent\n", tests)

    def test_every_alert_says_how_bad_it_is_what_it_saw_and_where_to_read_on(self):
        rules = re.split(r"\n      - alert: ", RULES.read_text())[1:]
        self.assertGreater(len(rules), 10)
        page = (DEPLOY.parent / "docs/operators/operations.md").read_text()
        headings = re.findall(r"^#+ (.*)", page, re.M)
        anchors = {heading.lower().replace(" ", "-") for heading in headings}
        for rule in rules:
            self.assertRegex(rule, r"severity: (critical|warning|info)\b")
            self.assertRegex(rule, r"\n +summary: \S")
            url = re.search(r"\n +runbook_url: (.*)", rule).group(1)
            anchor = re.fullmatch(r"docs/operators/operations\.md#([a-z-]+)", url).group(1)
            self.assertIn(anchor, anchors, "no such heading in docs/operators/operations.md")
            description = re.search(r"\n +description: (.*)", rule).group(1)
            if not rule.startswith("WaldenDown"):  # whose value is 0
                self.assertIn("$value", description, rule.split("\n")[0])


class DashboardFileTest(unittest.TestCase):
    def setUp(self):
        self.dashboard = json.loads((DEPLOY / "grafana/walden.json").read_text())
        self.panels = [p for p in self.dashboard["panels"] if p["type"] != "row"]

    def test_every_panel_has_a_unit_a_description_and_the_chosen_data_source(self):
        for panel in self.panels:
            title = panel["title"]
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], title)
            self.assertTrue(panel["description"], title)
            for target in panel["targets"]:
                self.assertEqual(target["datasource"]["uid"], "${datasource}", title)

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self):
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        taken = set()
        for panel in self.dashboard["panels"]:
            place = panel["gridPos"]
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    self.assertNotIn((x, y), taken, panel["title"])
                    taken.add((x, y))
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])

    def test_the_daemon_and_namespace_can_be_chosen(self):
        names = [variable["name"] for variable in self.dashboard["templating"]["list"]]
        self.assertEqual(names, ["datasource", "instance", "namespace"])
        for panel in self.panels:
            for target in panel["targets"]:
                if "ALERTS" not in target["expr"]:
                    self.assertIn('instance=~"$instance"', target["expr"], panel["title"])


if __name__ == "__main__":
    unittest.main()
