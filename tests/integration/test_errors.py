"""The table of errors in proto/walden/v1/common.proto. Needs no daemon: every other test holds the refusals
that it provokes to the same table (walden_errors.py)."""

import pathlib
import re
import unittest

import grpc

from walden_errors import (
    ERROR_TABLE,
    WAITING_REASONS,
    TableRow,
    error_from_status,
    parse_error_table,
)
from walden_stubs import error_details_pb2, status_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
Code = grpc.StatusCode

# Reasons of offline commands, and of files: no client is answered with them.
NEVER_ANSWERED = {"NOT_FOUND", "RESTORE_OUT_OF_ORDER", "WRONG_BACKUP"}


def status(code, reason, domain="walden", retry_seconds=None):
    made = status_pb2.Status(code=code.value[0], message="refused")
    made.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    if retry_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.seconds = retry_seconds
        made.details.add().Pack(retry)
    return made


class ErrorTableTest(unittest.TestCase):
    def test_a_row_has_a_code_and_says_what_became_of_the_batch(self):
        rows = parse_error_table(
            "//   reason                code                 batch       what to do\n"
            "//   FENCED                FAILED_PRECONDITION  not stored  stop: (metadata\n"
            '//                                                          "highest_region_version")\n'
            "//   BOUNDS_REVERSED       INVALID_ARGUMENT     -           correct the request\n"
            "//   DISK_FULL             RESOURCE_EXHAUSTED   not stored  mark records deleted\n"
            "//   DISK_RESERVE                                           working\n"
            "//   INTERNAL              INTERNAL             unknown     a fault of the daemon\n"
            'syntax = "proto3";\n'
            "//   AFTERWARDS            INTERNAL             unknown     no row\n"
        )
        self.assertEqual(
            rows,
            {
                "FENCED": TableRow(Code.FAILED_PRECONDITION, "not stored"),
                "BOUNDS_REVERSED": TableRow(Code.INVALID_ARGUMENT, "-"),
                "DISK_FULL": TableRow(Code.RESOURCE_EXHAUSTED, "not stored"),
                "DISK_RESERVE": TableRow(Code.RESOURCE_EXHAUSTED, "not stored"),
                "INTERNAL": TableRow(Code.INTERNAL, "unknown"),
            },
        )

    def test_every_line_of_the_table_is_understood(self):
        comment = (ROOT / "proto/walden/v1/common.proto").read_text().partition("\nsyntax ")[0]
        reasons = set(re.findall(r"^//   ([A-Z_]{4,})", comment, re.M))
        self.assertGreater(len(reasons), 30)
        self.assertEqual(set(ERROR_TABLE), reasons)

    def test_the_table_has_every_reason_of_the_daemon_and_no_other(self):
        source = (ROOT / "base/error.cc").read_text()
        reasons = set(re.findall(r'return "([A-Z_]+)";', source)) - {"UNKNOWN"}
        self.assertEqual(set(ERROR_TABLE), reasons - NEVER_ANSWERED)
        self.assertLessEqual(NEVER_ANSWERED, reasons)

    def test_the_page_for_client_authors_has_every_reason_with_its_code_and_outcome(self):
        page = (ROOT / "docs/clients/errors.md").read_text()
        rows = {}
        for line in re.findall(r"^\| ([A-Z_, ]+ \| [A-Z_, ]+ \|.*) \|$", page, re.M):
            code, reasons, batch, *_ = [cell.strip() for cell in line.split(" | ")]
            rows.update({reason: f"{code}, {batch}" for reason in reasons.split(", ")})
        table = {reason: f"{row.code.name}, {row.batch}" for reason, row in ERROR_TABLE.items()}
        self.assertEqual(rows, table)

    def test_the_reasons_that_ask_for_a_wait_are_those_of_both_pages(self):
        self.assertEqual(
            WAITING_REASONS, {"IO_ERROR", "REGION_FAILED", "REGION_CLOSED", "SHUTTING_DOWN"}
        )
        page = " ".join((ROOT / "docs/clients/errors.md").read_text().split())
        (named,) = re.findall(r"RetryInfo` stands beside each RESOURCE_EXHAUSTED, ([A-Z_, and]+), ", page)
        self.assertEqual(set(re.findall(r"[A-Z_]{3,}", named)), WAITING_REASONS)
        for reason in WAITING_REASONS:
            made = error_from_status(status(ERROR_TABLE[reason].code, reason, retry_seconds=2))
            self.assertEqual(made.retry_seconds, 2)

    def test_a_refusal_that_differs_from_the_table_fails_the_test_that_provoked_it(self):
        self.assertEqual(error_from_status(status(Code.ABORTED, "SEQUENCE_MISMATCH")).code, Code.ABORTED)
        for wrong in (
            status(Code.INTERNAL, "SEQUENCE_MISMATCH"),
            status(Code.ABORTED, "NO_SUCH_REASON"),
            status(Code.ABORTED, "SEQUENCE_MISMATCH", domain="elsewhere"),
            status(Code.ABORTED, "SEQUENCE_MISMATCH", retry_seconds=1),
            status(Code.UNAVAILABLE, "IO_ERROR"),
            status(Code.RESOURCE_EXHAUSTED, "DISK_FULL"),
        ):
            with self.assertRaises(AssertionError):
                error_from_status(wrong)


if __name__ == "__main__":
    unittest.main()
