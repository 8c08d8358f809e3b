"""What a refused call says, and a check of each refusal against the table of proto/walden/v1/common.proto."""

import dataclasses
import re

import grpc

from walden_stubs import PROTO_DIR, error_details_pb2, status_pb2

_STATUS_DETAILS_KEY = "grpc-status-details-bin"
_CODES_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
_ROW = re.compile(
    r"//   (?P<reason>[A-Z][A-Z_]+)"
    r"( +(?P<code>[A-Z][A-Z_]+) +(?P<batch>not stored|stored|unknown|-) +\S.*|  .*)?"
)


@dataclasses.dataclass(frozen=True)
class TableRow:
    """One reason of the table of errors."""

    code: grpc.StatusCode
    batch: str  # what became of the batch of an append: "not stored", "unknown", or "-"


def parse_error_table(text):
    """{reason: TableRow} of the comment that common.proto begins with. A reason without a code belongs to
    the row above it."""
    rows, above = {}, None
    for line in text.partition("\nsyntax ")[0].splitlines():
        found = _ROW.fullmatch(line)
        if found is None:
            continue
        if found["code"] is not None:
            above = TableRow(grpc.StatusCode[found["code"]], found["batch"])
        rows[found["reason"]] = above
    return rows


def parse_waiting_reasons(text):
    """The reasons that common.proto names as those with a RetryInfo, besides every RESOURCE_EXHAUSTED."""
    words = " ".join(text.replace("//", " ").split())
    (named,) = re.findall(r"These are every RESOURCE_EXHAUSTED, ([A-Z_, ]+ and [A-Z_]+)\.", words)
    return set(re.findall(r"[A-Z_]+", named))


_COMMON = (PROTO_DIR / "walden/v1/common.proto").read_text()
ERROR_TABLE = parse_error_table(_COMMON)
WAITING_REASONS = parse_waiting_reasons(_COMMON)


class WaldenError(Exception):
    """A refused call: gRPC code, and the ErrorInfo that Walden attaches to every refusal."""

    def __init__(
        self, code, message, reason=None, domain=None, metadata=None, retry_seconds=None
    ):
        super().__init__(f"{code.name} {reason or '(no reason)'}: {message} {metadata or {}}")
        self.code = code
        self.message = message
        self.reason = reason
        self.domain = domain
        self.metadata = metadata or {}
        self.retry_seconds = retry_seconds  # how long to wait before the same call, if it says so


def check_against_table(error):
    """A refusal by Walden has a reason of the table, the code that stands beside it, and a RetryInfo exactly
    where common.proto says so."""
    if error.domain is None:
        return error  # gRPC made it
    row = ERROR_TABLE.get(error.reason)
    if error.domain != "walden" or row is None:
        raise AssertionError(f"the table of errors has no such reason: {error.domain} {error}")
    if error.code != row.code:
        raise AssertionError(f"the table of errors says {row.code.name} for this reason: {error}")
    waits = error.code == grpc.StatusCode.RESOURCE_EXHAUSTED or error.reason in WAITING_REASONS
    if waits != bool(error.retry_seconds):
        raise AssertionError(f"RetryInfo of {error.retry_seconds} seconds with {error}")
    return error


def error_from_status(status):
    """From a google.rpc.Status."""
    error = WaldenError(
        _CODES_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN), status.message
    )
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            error = WaldenError(
                error.code, status.message, info.reason, info.domain, dict(info.metadata)
            )
        if detail.Unpack(retry):
            error.retry_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return check_against_table(error)


def error_from_rpc(error):
    """From what a failed gRPC call raised."""
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_DETAILS_KEY:
            return error_from_status(status_pb2.Status.FromString(value))
    return WaldenError(error.code(), error.details())


def messages_of(call):
    """Yields what a stream answers; a refusal is raised as WaldenError."""
    try:
        yield from call
    except grpc.RpcError as error:
        raise error_from_rpc(error) from None
