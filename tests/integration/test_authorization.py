"""Who may do what: every rpc, asked for by those who may not. A new rpc must find its place here."""

import pathlib
import re
import threading
import time
import unittest

import grpc

from walden_client import WaldenError, append_request, error_from_rpc, error_from_status
from walden_entry_client import put_request
from walden_guarded import ALL_RIGHTS, GuardedTestCase, identity, rule
from walden_stubs import admin_pb2, entry_pb2, wal_pb2
from walden_testcase import Code

ROOT = pathlib.Path(__file__).resolve().parents[2]

SERVICES = [
    file.DESCRIPTOR.services_by_name[name]
    for file, name in (
        (wal_pb2, "WalService"),
        (entry_pb2, "EntryService"),
        (admin_pb2, "AdminService"),
    )
]

# The rights that each rpc needs on the region that it names. Without a region: everybody who is
# recognised, and each sees what is their own.
RIGHTS = {
    "WalService.Append": {"append"},
    "WalService.AppendStream": {"append"},
    "WalService.OpenProducer": {"append"},
    "WalService.Read": {"read"},
    "WalService.MarkDeleted": {"delete"},
    "WalService.FenceRegion": {"append"},
    "WalService.Recover": {"read"},
    "EntryService.Put": {"append"},
    "EntryService.PutStream": {"append"},
    "EntryService.Get": {"read"},
    "EntryService.Scan": {"read"},
    "EntryService.Flush": {"append", "read"},
    "EntryService.Finalize": {"delete"},
    "EntryService.Recover": {"read"},
    "AdminService.GetServerInfo": set(),
    "AdminService.ListNamespaces": set(),
    "AdminService.ListRegions": set(),
    "AdminService.DescribeRegion": {"read"},
    "AdminService.GetTablePosition": {"read"},
    "AdminService.SyncRegion": {"append"},
    "AdminService.CloseRegion": {"admin"},
    "AdminService.DropRegion": {"admin"},
    "AdminService.VerifyRegion": {"admin"},
    "AdminService.GetStatistics": set(),
}

VICTIM_REGION = 100
VICTIM_TABLE = 1
VICTIM_ENTRIES = 2
UNUSED_REGION = 4711


def request_for(rpc, namespace, region):
    """One that would be carried out, if the caller were allowed to."""
    filled = {
        "WalService.Append": {"tables": [wal_pb2.TableAppend(table_id=VICTIM_TABLE, payloads=[b"x"])]},
        "WalService.MarkDeleted": {
            "marks": [wal_pb2.TableMark(table_id=VICTIM_TABLE, through_sequence=1)]
        },
        "WalService.FenceRegion": {"region_version": 1},
        "EntryService.Get": {"table_id": VICTIM_ENTRIES, "keys": [b"k"]},
        "EntryService.Finalize": {"table_id": VICTIM_ENTRIES, "flush_id": 1},
        "EntryService.Scan": {"table_id": VICTIM_ENTRIES},
        "EntryService.Flush": {"table_id": VICTIM_ENTRIES},
        "EntryService.Recover": {"table_id": VICTIM_ENTRIES},
        "WalService.Read": {"table_id": VICTIM_TABLE},
        "AdminService.DropRegion": {"confirm_region_id": region},
    }.get(rpc, {})
    if rpc == "WalService.AppendStream":
        append = append_request(region, VICTIM_TABLE, [b"x"], namespace=namespace)
        return wal_pb2.AppendStreamRequest(appends=[{"request_id": 1, "append": append}])
    if rpc in ("EntryService.Put", "EntryService.PutStream"):
        put = put_request(region, VICTIM_ENTRIES, [(b"k", b"mine")])
        put.namespace_id = namespace
        if rpc == "EntryService.Put":
            return put
        return entry_pb2.PutStreamRequest(puts=[{"request_id": 1, "put": put}])
    service, method = rpc.split(".")
    (described,) = [s for s in SERVICES if s.name == service]
    kind = described.methods_by_name[method].input_type
    names = {"namespace_id": namespace, "region_id": region}
    known = {name: value for name, value in names.items() if name in kind.fields_by_name}
    return kind._concrete_class(**known, **filled)


def call(client, rpc, request, timeout=10):
    """Makes the call to its end; returns what was answered. Raises WaldenError, also in-band."""
    service, name = rpc.split(".")
    (described,) = [s for s in SERVICES if s.name == service]
    method = described.methods_by_name[name]
    channel = client.channel
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, True): channel.stream_stream,
    }
    # Before protobuf 4 descriptors do not tell: the names do.
    streams_in = name.endswith("Stream")
    streams_out = streams_in or name in (
        "Read", "Recover", "Scan", "Flush", "VerifyRegion")
    stub = kinds[streams_in, streams_out](
        f"/{described.full_name}/{name}",
        request_serializer=method.input_type._concrete_class.SerializeToString,
        response_deserializer=method.output_type._concrete_class.FromString,
    )
    try:
        answer = stub(iter([request]) if streams_in else request, timeout=timeout)
        answers = list(answer) if streams_out else [answer]
    except grpc.RpcError as error:
        raise error_from_rpc(error) from None
    for result in (r for one in answers if streams_in for r in one.results):
        if result.WhichOneof("outcome") == "error":
            raise error_from_status(result.error)
    return answers


class AuthorizationTestCase(GuardedTestCase):
    def setUp(self):
        super().setUp()
        self.owner, self.other = self.token(), self.token()
        self.daemon = self.guarded_daemon(
            [
                identity("owner", [rule(namespace="*")], self.owner),
                identity("other", [rule([1, "10-20"])], self.other),
            ],
            config={"namespaces": [{"id": 1, "name": "default"}, {"id": 7, "name": "secret-name"}]},
        )
        self.owner_client = self.client_with(self.daemon, self.owner)
        for namespace in (1, 7):
            self.owner_client.append(VICTIM_REGION, VICTIM_TABLE, [b"precious"], namespace=namespace)
        call(self.owner_client, "EntryService.Put", put_request(
            VICTIM_REGION, VICTIM_ENTRIES, [(b"k", b"precious")]))

    def refusal(self, client, rpc, namespace, region):
        with self.assertRaises(WaldenError, msg=f"{rpc} was carried out") as caught:
            call(client, rpc, request_for(rpc, namespace, region))
        return caught.exception


class EveryRpcTest(AuthorizationTestCase):
    def test_every_rpc_of_the_api_has_its_place_in_the_table(self):
        rpcs = {f"{s.name}.{m.name}" for s in SERVICES for m in s.methods}
        self.assertEqual(rpcs, set(RIGHTS))

    def test_the_documentation_has_the_same_table(self):
        page = (ROOT / "docs/operators/security.md").read_text()
        documented = {}
        for rights, rpcs in re.findall(r"^\| ([a-z, `*]+) \| (.*) \|$", page, re.M):
            named = set(re.findall(r"`(\w+)`", rights))
            for rpc in re.findall(r"`(\w+Service\.\w+)`", rpcs):
                documented[rpc] = named
        self.assertEqual(documented, RIGHTS)

    def test_nobody_calls_anything_without_saying_who_they_are(self):
        for client in (self.client_with(self.daemon),
                       self.client_with(self.daemon, self.token())):
            for rpc in RIGHTS:
                with self.subTest(rpc):
                    refused = self.refusal(client, rpc, 0, VICTIM_REGION)
                    self.check_refusal(refused, Code.UNAUTHENTICATED, "UNAUTHENTICATED")
        self.assert_untouched()

    def test_one_tenant_reaches_nothing_of_anothers_by_any_rpc(self):
        client = self.client_with(self.daemon, self.other)
        for rpc in RIGHTS:
            if not RIGHTS[rpc]:
                continue
            words = set()
            for namespace, region in ((1, VICTIM_REGION), (0, VICTIM_REGION), (7, VICTIM_REGION),
                                      (1, UNUSED_REGION), (7, 1), (99, 1), (4_000_000_000, 1)):
                with self.subTest(rpc, namespace=namespace, region=region):
                    refused = self.refusal(client, rpc, namespace, region)
                    self.check_refusal(refused, Code.PERMISSION_DENIED, "PERMISSION_DENIED",
                                       region_id=region, namespace_id=namespace)
                    said = refused.message.replace("the default namespace", "namespace 0")
                    words.add(re.sub(r"\d+", "N", said))
            self.assertEqual(len(words), 1, "what exists and what does not is told apart")
        self.assert_untouched()

    def test_listings_show_a_tenant_only_what_is_its_own(self):
        client = self.client_with(self.daemon, self.other)
        client.append(10, 1, [b"mine"])
        (namespace,) = client.list_namespaces()
        self.assertEqual((namespace.namespace_id, namespace.region_count), (1, 1))
        self.assertEqual([r.region_id for r in client.list_regions()], [10])
        for unknown in (7, 8):
            with self.assert_refused(Code.PERMISSION_DENIED, "PERMISSION_DENIED"):
                client.list_regions(namespace=unknown)
        self.assertEqual([n.namespace_id for n in self.owner_client.list_namespaces()], [1, 7])
        # One who has every namespace is told about unknown ones.
        with self.assert_refused(Code.INVALID_ARGUMENT, "UNKNOWN_NAMESPACE"):
            self.owner_client.append(1, 1, [b"x"], namespace=99)

    def test_each_right_opens_its_rpcs_and_no_other(self):
        tokens = {right: self.token() for right in ALL_RIGHTS}
        both = self.token()
        self.write_identities(self.daemon, [
            identity("owner", [rule(namespace="*")], self.owner),
            *(identity(f"may-{right}", [rule([VICTIM_REGION], [right])], token)
              for right, token in tokens.items()),
            # Rights add up over rules.
            identity("flusher", [rule("*", ["append"]), rule("50-150", ["read"], "*")], both),
        ])
        self.wait_logged(self.daemon, "identities loaded", times=2)
        cases = [({right}, token) for right, token in tokens.items()]
        cases.append(({"append", "read"}, both))
        for rights, token in cases:
            client = self.client_with(self.daemon, token)
            for rpc, needed in RIGHTS.items():
                if rpc == "AdminService.DropRegion":
                    continue  # would take the others' region away
                with self.subTest(rpc, rights=rights):
                    try:
                        call(client, rpc, request_for(rpc, 1, VICTIM_REGION))
                        allowed = True
                    except WaldenError as error:
                        allowed = error.code != Code.PERMISSION_DENIED
                    self.assertEqual(allowed, needed <= rights)

    def test_a_refused_request_in_a_stream_leaves_the_stream_alive(self):
        client = self.client_with(self.daemon, self.other)
        stream = client.append_stream()
        answers = stream.answers()
        for request_id, region in ((1, 10), (2, VICTIM_REGION), (3, 10)):
            stream.send(append_request(region, VICTIM_TABLE, [b"x"]), request_id)
        got = dict(next(answers) for _ in range(3))
        self.check_refusal(got[2], Code.PERMISSION_DENIED, "PERMISSION_DENIED")
        self.assertEqual((got[1].first_sequence, got[3].first_sequence), (1, 2))
        stream.half_close()
        self.assertEqual(list(answers), [])
        self.assert_untouched()

    def assert_untouched(self):
        for namespace in (1, 7):
            read = self.owner_client.read(VICTIM_REGION, VICTIM_TABLE, namespace=namespace)
            self.assertEqual(read.records, [(1, b"precious")])
            self.assertEqual(read.position.next_sequence, 2)
        (got,) = call(self.owner_client, "EntryService.Get", entry_pb2.GetRequest(
            region_id=VICTIM_REGION, table_id=VICTIM_ENTRIES, keys=[b"k"]))
        self.assertEqual(got.results[0].entry.value, b"precious")
        self.assertEqual(
            [r.region_id for r in self.owner_client.list_regions(namespace=7)], [VICTIM_REGION])


class AuditTest(AuthorizationTestCase):
    def lines(self, event):
        return [line for line in self.daemon.log_text().splitlines() if f" {event} " in line]

    def test_who_was_denied_and_who_administers_stands_in_the_log(self):
        other = self.client_with(self.daemon, self.other)
        with self.assert_refused(Code.PERMISSION_DENIED, "PERMISSION_DENIED"):
            other.drop_region(VICTIM_REGION, namespace=0)
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.client_with(self.daemon).verify(VICTIM_REGION)
        self.owner_client.drop_region(VICTIM_REGION, namespace=7)
        denied = self.lines("denied")
        self.assertIn('identity=other peer="unix:" method=AdminService.DropRegion namespace=0 '
                      f"region={VICTIM_REGION} code=PERMISSION_DENIED".replace('"', ""),
                      denied[0].replace('"', ""))
        self.assertIn("method=AdminService.VerifyRegion", denied[1])
        (dropped,) = self.lines("admin call")
        self.assertIn(f"method=AdminService.DropRegion namespace=7 region={VICTIM_REGION} code=OK",
                      dropped)
        self.assertIn("identity=owner", dropped)

    def test_an_attacker_cannot_fill_the_log(self):
        outsider = self.client_with(self.daemon)
        for _ in range(500):
            with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
                outsider.append(1, 1, [b"x"])
        self.assertLess(len(self.lines("denied")), 20)
        self.assertGreater(len(self.lines("denied")), 5)


class ReloadTest(AuthorizationTestCase):
    def end_in_time(self, stream):
        """Whatever is waited for: a stream that does not end by itself is cancelled."""
        watch = threading.Timer(20, stream.cancel)
        watch.start()
        self.addCleanup(watch.cancel)

    def write(self, *identities):
        loaded = self.daemon.log_text().count("identities loaded")
        self.write_identities(self.daemon, identities)
        self.wait_logged(self.daemon, "identities loaded", times=loaded + 1)

    def test_tokens_and_rights_change_without_a_restart(self):
        fresh = self.token()
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.client_with(self.daemon, fresh).append(10, 1, [b"x"])
        # Both while the callers change over.
        self.write(identity("other", [rule([10])], [self.other, fresh]))
        for token in (self.other, fresh):
            self.client_with(self.daemon, token).append(10, 1, [b"x"])
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.owner_client.read(10, 1)
        self.write(identity("other", [rule([11])], fresh))
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            self.client_with(self.daemon, self.other).append(11, 1, [b"x"])
        client = self.client_with(self.daemon, fresh)
        client.append(11, 1, [b"x"])
        with self.assert_refused(Code.PERMISSION_DENIED, "PERMISSION_DENIED"):
            client.append(10, 1, [b"x"])

    def test_a_broken_file_keeps_the_old_rules_and_says_so(self):
        for text in ("- name: [", "- {name: x, token_sha256: " + self.other + ", rules: []}", ""):
            refused = self.daemon.log_text().count("identities refused")
            self.daemon.identities_file.write_text(text)
            self.wait_logged(self.daemon, "identities refused", times=refused + 1)
            self.owner_client.append(1, 1, [b"x"])
        self.assertIn("identities.yaml:1", self.daemon.log_text())
        self.daemon.identities_file.unlink()
        self.wait_logged(self.daemon, "No such file")
        self.owner_client.append(1, 1, [b"x"])

    def test_a_follower_whose_right_is_taken_away_ends_within_seconds(self):
        client = self.client_with(self.daemon, self.other)
        client.append(10, 1, [b"first"])
        ends = []
        for region in (10, 11):  # one at the end of a log, one before its beginning
            stream = client.open_read(region, 1, follow=True)
            self.end_in_time(stream)
            records = iter(stream)
            if region == 10:
                self.assertEqual(next(records), (1, b"first"))
            ends.append(records)
        begin = time.monotonic()
        self.write(identity("owner", [rule(namespace="*")], self.owner),
                   identity("other", [rule([10, 11], ["append"])], self.other))
        for records in ends:
            with self.assert_refused(Code.PERMISSION_DENIED, "PERMISSION_DENIED"):
                next(records)
        self.assertLess(time.monotonic() - begin, 15)

    def test_a_follower_whose_rights_stay_goes_on_over_a_reload(self):
        client = self.client_with(self.daemon, self.other)
        client.append(10, 1, [b"first"])
        follower = client.open_read(10, 1, follow=True)
        self.end_in_time(follower)
        records = iter(follower)
        self.assertEqual(next(records), (1, b"first"))
        self.write(identity("renamed", [rule([10])], self.other))
        client.append(10, 1, [b"second"])
        self.assertEqual(next(records), (2, b"second"))

    def test_an_append_stream_meets_the_new_rules_at_its_next_request(self):
        client = self.client_with(self.daemon, self.other)
        stream = client.append_stream()
        self.end_in_time(stream)
        answers = stream.answers()
        stream.send(append_request(10, 1, [b"x"]))
        self.assertEqual(next(answers)[1].first_sequence, 1)
        self.write(identity("other", [rule([11])], self.other))
        stream.send(append_request(10, 1, [b"x"]))
        self.check_refusal(next(answers)[1], Code.PERMISSION_DENIED, "PERMISSION_DENIED")
        stream.send(append_request(11, 1, [b"x"]))
        self.assertEqual(next(answers)[1].first_sequence, 1)
        # And ends with the last of its caller's identity.
        self.write(identity("owner", [rule()], self.owner))
        with self.assert_refused(Code.UNAUTHENTICATED, "UNAUTHENTICATED"):
            next(answers)


if __name__ == "__main__":
    unittest.main()
