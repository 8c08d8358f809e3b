"""docs/clients/reference.md is what scripts/client_reference.py writes. Needs no daemon."""

import pathlib
import re
import subprocess
import unittest

from walden_stubs import admin_pb2, common_pb2, entry_pb2, wal_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/clients/reference.md").read_text()


class ReferenceTest(unittest.TestCase):
    def test_the_page_is_what_the_script_writes(self):
        script = ROOT / "scripts/client_reference.py"
        written = subprocess.run([script], capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(
            written.stdout.splitlines(),
            PAGE.splitlines(),
            "run scripts/client_reference.py > docs/clients/reference.md",
        )

    def test_every_rpc_message_and_field_is_on_the_page(self):
        headings = set(re.findall(r"^#+ (\S+)$", PAGE, re.M))
        for module in (wal_pb2, entry_pb2, admin_pb2, common_pb2):
            file = module.DESCRIPTOR
            for service in file.services_by_name.values():
                for method in service.methods:
                    self.assertIn(f"{service.name}.{method.name}", headings)
            for message in file.message_types_by_name.values():
                self.assertIn(message.name, headings)
                section = PAGE.split(f"\n### {message.name}\n")[1].split("\n### ")[0]
                for field in message.fields:
                    self.assertIn(f"| `{field.name}` | ", section)


if __name__ == "__main__":
    unittest.main()
