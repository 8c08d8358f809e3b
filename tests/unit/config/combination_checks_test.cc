// Settings that are fine alone and impossible together.
#include "absl/strings/str_cat.h"
#include "tests/unit/config/config_testing.h"

namespace walden {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Combination, ABatchLimitThatNoSegmentHoldsIsRefused) {
  EXPECT_THAT(
      Problems("limits:\n  max_batch_bytes: 16MiB\nnamespaces:\n  - id: 1\n    name: default\n"
               "    segment_size: 16MiB\n"),
      ElementsAre("w.yaml:2: limits.max_batch_bytes: \"16MiB\" is above half of "
                  "namespaces[0].segment_size (16MiB, w.yaml:6); allowed: at most 8MiB"));
}

TEST(Combination, TheLargestSegmentOfAllRegionsCounts) {
  EXPECT_THAT(Problems("{limits: {max_batch_bytes: 1MiB}, namespaces: [{id: 1, name: default, "
                       "regions: [{id: 1}, {id: 2, segment_size: 1MiB}]}]}"),
              IsEmpty());
  EXPECT_THAT(Problems("{limits: {max_batch_bytes: 2MiB}, namespaces: [{id: 1, name: default, "
                       "segment_size: 1MiB, regions: [{id: 2, segment_size: 2MiB}]}]}"),
              ElementsAre(HasSubstr("namespaces[0].regions[0].segment_size (2MiB")));
}

TEST(Combination, ASmallNamespaceDoesNotLowerTheBatchLimitsOfTheOthers) {
  for (const std::string large : {"segment_size: 64MiB", "engine: rocksdb"}) {
    const LoadedConfig loaded =
        MustLoad(absl::StrCat("namespaces: [{id: 1, name: default, ", large,
                              "}, {id: 2, name: small, segment_size: 1MiB}]"));
    EXPECT_EQ(loaded.config.limits.max_batch_bytes, MiB(16)) << large;
    EXPECT_EQ(loaded.config.limits.max_payload_bytes, KiB(4095)) << large;
  }
}

TEST(Combination, LimitsThatNobodySetAreLoweredToFit) {
  const LoadedConfig loaded = MustLoad("namespaces: [{id: 1, name: default, segment_size: 1MiB}]");
  EXPECT_EQ(loaded.config.limits.max_batch_bytes, KiB(512));
  EXPECT_EQ(loaded.config.limits.max_payload_bytes, KiB(512));
  EXPECT_THAT(loaded.origins.at("limits.max_batch_bytes"), HasSubstr("lowered to half of"));
}

TEST(Combination, APayloadLimitAboveTheBatchLimitIsRefused) {
  EXPECT_THAT(Problems("limits:\n  max_batch_bytes: 1MiB\n  max_payload_bytes: 2MiB\n"),
              ElementsAre("w.yaml:3: limits.max_payload_bytes: \"2MiB\" is above "
                          "limits.max_batch_bytes; allowed: at most 1MiB"));
}

TEST(Combination, AMailboxThatTakesNoFullBatchIsRefused) {
  EXPECT_THAT(
      Problems("limits:\n  mailbox_bytes: 8MiB\n"),
      ElementsAre("w.yaml:2: limits.mailbox_bytes: limits.mailbox_bytes is 8MiB and must be "
                  "at least limits.max_batch_bytes (16MiB) so that the largest batch can be "
                  "accepted"));
  EXPECT_THAT(Problems("{limits: {max_batch_bytes: 128MiB}, namespaces: [{id: 1, name: default, "
                       "segment_size: 1GiB}]}"),
              ElementsAre(HasSubstr("limits.max_batch_bytes: limits.mailbox_bytes is 64MiB")));
}

TEST(Combination, SegmentsOfARocksdbNamespaceLimitNothing) {
  EXPECT_THAT(Problems("{limits: {max_batch_bytes: 2MiB}, namespaces: [{id: 1, name: default, "
                       "engine: rocksdb, segment_size: 1MiB}]}"),
              IsEmpty());
}

TEST(Combination, AReaderBudgetThatServesNobodyIsRefused) {
  EXPECT_THAT(Problems("limits: {reader_bytes: 1MiB, read_chunk_bytes: 1MiB}"),
              ElementsAre(HasSubstr("must be at least twice limits.read_chunk_bytes (2MiB)")));
}

TEST(Combination, TwoNamespacesWithOneIdOrNameAreRefused) {
  EXPECT_THAT(Problems("namespaces:\n  - {id: 1, name: default}\n  - {id: 1, name: b}\n"),
              ElementsAre("w.yaml:3: namespaces[1].id: \"1\" is the same id as namespaces[0].id "
                          "(w.yaml:2)"));
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: default}, {id: 2, name: default}]"),
              ElementsAre(HasSubstr("\"default\" is the same name as namespaces[0].name")));
}

TEST(Combination, OneRegionListedTwiceIsRefused) {
  EXPECT_THAT(
      Problems("namespaces: [{id: 1, name: default, regions: [{id: 7}, {id: 0}, {id: 7}]}]"),
      ElementsAre(HasSubstr("regions[2].id: \"7\" is the same id as "
                            "namespaces[0].regions[0].id")));
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: default, regions: [{id: 7}]}, "
                       "{id: 2, name: b, regions: [{id: 7}]}]"),
              IsEmpty());
}

TEST(Combination, ADefaultNamespaceThatIsNotThereIsRefused) {
  EXPECT_THAT(Problems("namespaces: [{id: 1, name: data}, {id: 2, name: manifest}]"),
              ElementsAre("defaults: default_namespace: \"default\" is not among the namespaces; "
                          "allowed: data or manifest"));
  EXPECT_THAT(Problems("default_namespace: data\n"),
              ElementsAre(HasSubstr("w.yaml:1: default_namespace: \"data\"")));
}

TEST(Combination, OneAddressTwiceIsRefused) {
  EXPECT_THAT(Problems("listen:\n  - h:1\n  - unix:/a\n  - h:1\n"),
              ElementsAre("w.yaml:4: listen[2]: \"h:1\" is the same address as listen[0]"));
  EXPECT_THAT(Problems("listen: [unix:/a, unix:/a]"), ElementsAre(HasSubstr("listen[1]")));
  EXPECT_THAT(Problems("", {{"WALDEN_LISTEN", "h:1,h:1"}}),
              ElementsAre(HasSubstr("WALDEN_LISTEN: listen[1]")));
  EXPECT_THAT(Problems("listen: [h:0, h:0]"), IsEmpty());
}

TEST(Combination, EmptyListsAreRefused) {
  EXPECT_THAT(Problems("listen: []"), ElementsAre("w.yaml:1: listen: needs at least one address"));
  EXPECT_THAT(Problems("namespaces: []"),
              ElementsAre("w.yaml:1: namespaces: needs at least one namespace"));
}

TEST(Combination, ASettingThatIsWrongByItselfIsNotComparedWithOthers) {
  EXPECT_THAT(Problems("{limits: {max_batch_bytes: 1MB, max_payload_bytes: 32MiB}}"),
              ElementsAre(HasSubstr("unknown unit")));
  EXPECT_THAT(Problems("namespaces: [{id: x, name: default}, {id: x, name: b}]"),
              ElementsAre(HasSubstr("[0].id"), HasSubstr("[1].id")));
}

TEST(Combination, EntryMemoryThatNobodySetIsLoweredToFit) {
  const LoadedConfig loaded = MustLoad("entries: {total_memory: 64MiB}");
  EXPECT_EQ(loaded.config.entries.table_memory, MiB(64));
  EXPECT_EQ(loaded.config.entries.page_size, MiB(16));
  EXPECT_EQ(MustLoad("{entries: {total_memory: 64MiB, table_memory: 32MiB}, limits: "
                     "{max_batch_bytes: 1MiB}}")
                .config.entries.page_size,
            MiB(16));
}

TEST(Combination, EntryMemoryThatHoldsNoFullPutIsRefused) {
  EXPECT_THAT(Problems("entries:\n  table_memory: 16MiB\n"),
              ElementsAre(HasSubstr("entries.table_memory is 16MiB and must be at least twice "
                                    "limits.max_batch_bytes (32MiB)")));
  EXPECT_THAT(Problems("entries:\n  table_memory: 1GiB\n"),
              ElementsAre(HasSubstr("above entries.total_memory")));
}

TEST(Combination, TlsNeedsACertificateAndItsKey) {
  EXPECT_THAT(Problems("security:\n  tls:\n    certificate_file: a\n"),
              ElementsAre("w.yaml:3: security.tls.certificate_file: is set without "
                          "security.tls.key_file: TLS needs both"));
  EXPECT_THAT(Problems("{security: {tls: {key_file: a}}}"),
              ElementsAre(HasSubstr("security.tls.key_file: is set without")));
  EXPECT_THAT(Problems("{security: {tls: {client_ca_file: a}}}"),
              ElementsAre(HasSubstr("security.tls.client_ca_file: is set without")));
}

TEST(Combination, ClientCertificatesAreRequiredWhereAnAuthorityIsSetAndNothingElseSaid) {
  const std::string files = "certificate_file: a, key_file: b";
  const auto loaded = [&files](const std::string& more) {
    return MustLoad(absl::StrCat("{security: {tls: {", files, more, "}}}")).config.security.tls;
  };
  EXPECT_EQ(loaded("").client_certificates, ClientCertificates::kNone);
  EXPECT_EQ(loaded(", client_ca_file: c").client_certificates, ClientCertificates::kRequired);
  EXPECT_EQ(loaded(", client_ca_file: c, client_certificates: optional").client_certificates,
            ClientCertificates::kOptional);
  EXPECT_THAT(Problems(absl::StrCat("{security: {tls: {", files,
                                    ", client_ca_file: c, client_certificates: none}}}")),
              ElementsAre(HasSubstr("is none, but security.tls.client_ca_file is set")));
  EXPECT_THAT(
      Problems(absl::StrCat("{security: {tls: {", files, ", client_certificates: optional}}}")),
      ElementsAre(HasSubstr("needs security.tls.client_ca_file")));
}

}  // namespace
}  // namespace walden
