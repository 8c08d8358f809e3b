// What must be written, synced or known before something else is: crashes and failing calls between
// the two.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/segment/format.h"
#include "engine/segment/metadata_file.h"
#include "engine/wait.h"
#include "tests/unit/engine/segment/engine_fixture.h"

namespace walden::testing {
namespace {

class SegmentOrderTest : public SegmentEngineTest {
 protected:
  void SetUp() override {
    SegmentEngineTest::SetUp();
    OpenEngine();
  }

  absl::Status TryOpen(RegionId region = kRegion) {
    log_ = nullptr;
    auto log = OpenRegionAndWait(*engine_, region,
                                 {.recovery_policy = policy_,
                                  .buffered_sync_every_writes = 1'000'000,
                                  .segment_size_bytes = segment_bytes_},
                                 /*create=*/true);
    if (log.ok()) log_ = *std::move(log);
    return log.status();
  }
  void Open(RegionId region = kRegion) {
    const absl::Status status = TryOpen(region);
    ASSERT_TRUE(status.ok()) << status;
  }
  // Up again after whatever happened.
  void StartAgain() {
    log_ = nullptr;
    disk_.CancelCrash();
    disk_.ClearFaults();
    if (!disk_.crashed()) disk_.Kill();
    disk_.Restart();
    OpenEngine();
  }
  void CutPower() {
    disk_.PowerCut(PowerLoss::kNothing);
    StartAgain();
  }

  uint64_t OpenProducer() {
    const absl::StatusOr<uint64_t> id = OpenProducerAndWait(*log_, std::nullopt);
    EXPECT_TRUE(id.ok()) << id.status();
    return id.value_or(0);
  }
  static Batch Of(uint64_t producer, uint64_t sequence, Durability durability = Durability::kSync) {
    return {.table = 1,
            .payloads = {"batch"},
            .durability = durability,
            .producer = ProducerTag{producer, sequence}};
  }
  void Mark(TableId table, SequenceNumber through) {
    const auto marked = MarkTableAndWait(*log_, table, through, std::nullopt);
    ASSERT_TRUE(marked.ok()) << marked.status();
  }
  // Raises the region version, by an entry of 24 bytes in the metadata.
  void RaiseVersion() {
    const auto raised = MarkTableAndWait(*log_, 0, 0, ++version_);
    ASSERT_TRUE(raised.ok()) << raised.status();
  }
  size_t MetadataRoom() {
    const std::string bytes = disk_.ReadWhole("/data/ns/7/metadata");
    return bytes.size() - (bytes.find_last_not_of('\0') + 1);
  }
  void Put(const std::string& path, const std::string& bytes) {
    ASSERT_TRUE(disk_.RemoveFile(path).ok());
    auto file = disk_.CreateFile(path);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Write(0, {bytes}).ok());
    ASSERT_TRUE((*file)->SyncData().ok());
  }

  RecoveryPolicy policy_ = RecoveryPolicy::kRefuse;
  uint64_t version_ = 0;
};

// The last watermark was written while a batch waited to be written behind it.
TEST_F(SegmentOrderTest, DamageBelowTheWatermarkTakesNoRecordsBehindIt) {
  segment_bytes_ = 4 << 20;
  Open();
  // The first batch is written at once, and the third one reaches past the watermark's reach.
  const std::string large(600 << 10, 'x');
  const std::string zeros(600 << 10, '\0');
  const auto results = CommitGroup(
      *log_,
      {{.payloads = {large}}, {.table = 2, .payloads = {"a"}}, {.table = 3, .payloads = {zeros}}});
  for (const BatchResult& result : results) {
    ASSERT_TRUE(result.status.ok()) << result.status;
    ASSERT_TRUE(result.durable);
  }
  StartAgain();
  disk_.FlipBit("/data/ns/7/seg_0", 5000, 3);
  policy_ = RecoveryPolicy::kQuarantine;
  Open();
  const OpeningReport report = log_->Describe().opening;
  EXPECT_EQ(report.torn_tail_bytes, 0u);
  ASSERT_EQ(report.damaged.size(), 1u);
  EXPECT_EQ(report.damaged.front().first, 1u);
  EXPECT_EQ(report.damaged.front().last, 1u);
  for (const TableId table : {2, 3}) {
    const auto read = ReadAll(*log_, {.table = table, .first = table});
    EXPECT_TRUE(read.ok() && read->size() == 1) << "table " << table << ": " << read.status();
  }
  EXPECT_GT(Append(4, 10).first, 3u) << "a number came back";
}

TEST_F(SegmentOrderTest, WhatWasFoundInFrontOfDamageIsDurableOnceTheRegionIsOpen) {
  Open();
  for (const TableId table : {1, 2}) {
    ASSERT_TRUE(CommitOne(*log_, {.table = table,
                                  .payloads = {std::string(1000, 'x')},
                                  .durability = Durability::kBuffered})
                    .status.ok());
  }
  StartAgain();
  const uint64_t last = disk_.ReadWhole("/data/ns/7/seg_0").find_last_not_of('\0');
  disk_.FlipBit("/data/ns/7/seg_0", last, 3);
  policy_ = RecoveryPolicy::kQuarantine;
  Open();
  ASSERT_EQ(ReadAll(*log_, {.table = 1, .pass_known_damage = true})->size(), 1u);
  ASSERT_TRUE(SyncAndWait(*log_).ok());
  EXPECT_FALSE(disk_.HasUnsynced("/data/ns/7/seg_0"));
  ASSERT_TRUE(Append(3, 100).durable);
  CutPower();
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto read = ReadAll(*log_, {.table = 1, .pass_known_damage = true});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 1u);
}

// The head of the tail that is cut is all that says that the damaged group was durable.
TEST_F(SegmentOrderTest, WhatIsServedOfADamagedGroupStaysWhenTheTornTailBehindItIsCut) {
  Open();
  const Batch two{.table = 1, .payloads = {std::string(1000, 'a'), std::string(1000, 'b')}};
  ASSERT_TRUE(CommitOne(*log_, two).status.ok());
  const Batch tail{
      .table = 1, .payloads = {std::string(2000, 'c')}, .durability = Durability::kBuffered};
  ASSERT_TRUE(CommitOne(*log_, tail).status.ok());
  StartAgain();
  const std::string path = "/data/ns/7/seg_0";
  const std::string bytes = disk_.ReadWhole(path);
  disk_.FlipBit(path, bytes.find(two.payloads[0]) + 500, 3);
  disk_.ZeroRange(path, (bytes.find(tail.payloads[0]) / 512 + 1) * 512, 512);
  policy_ = RecoveryPolicy::kQuarantine;
  for (int opening = 1; opening <= 3; ++opening) {
    SCOPED_TRACE(opening);
    ASSERT_NO_FATAL_FAILURE(Open());
    const auto read = ReadAll(*log_, {.table = 1, .pass_known_damage = true});
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_EQ(read->size(), 1u);
    EXPECT_EQ(read->front().payload, two.payloads[1]);
    StartAgain();
  }
}

// After a failed sync the last group may be read by an opening that is cut, and be gone at the next
// one. Its head was all that said that the damaged group was durable. The zeros of that group look as
// if they had never been written.
TEST_F(SegmentOrderTest, ARegionOpensAfterTheLastGroupIsGoneBesideAQuarantinedRecord) {
  const std::string zeros(2000, '\0');
  const Batch two{.table = 1, .payloads = {"a" + zeros, "b" + zeros}};
  const Batch buffered{
      .table = 1, .payloads = {std::string(2000, 'c')}, .durability = Durability::kBuffered};
  bool was_cut = true;
  for (uint64_t change = 1; was_cut; ++change) {
    SCOPED_TRACE(change);
    ASSERT_LT(change, 30u);
    const RegionId region = change;
    policy_ = RecoveryPolicy::kRefuse;
    Open(region);
    for (const Batch& batch : {buffered, two, buffered}) {
      ASSERT_TRUE(CommitOne(*log_, batch).status.ok());
    }
    StartAgain();
    const std::string path = absl::StrCat("/data/ns/", region, "/seg_0");
    const std::string bytes = disk_.ReadWhole(path);
    disk_.FlipBit(path, bytes.find(two.payloads[1]) + 500, 3);
    policy_ = RecoveryPolicy::kQuarantine;
    disk_.CrashAt(change, Crash::kKill);
    was_cut = !TryOpen(region).ok();
    StartAgain();
    const uint64_t last = bytes.rfind(buffered.payloads[0]);
    if (was_cut) disk_.ZeroRange(path, last / 512 * 512, 4096);
    ASSERT_NO_FATAL_FAILURE(Open(region));
  }
}

TEST_F(SegmentOrderTest, AMarkIsNotAcknowledgedInAMetadataFileWhoseNameIsNotDurable) {
  Open();
  ASSERT_TRUE(
      CommitOne(*log_, {.table = 1, .payloads = std::vector<std::string>(5000, "x")}).status.ok());
  disk_.Inject({.operations = file_op::kSyncDirectory, .path_part = "/data/ns/7"});
  SequenceNumber through = 1;
  while (MarkTableAndWait(*log_, 1, through, std::nullopt).ok()) ++through;
  ASSERT_LT(through, 4000u) << "the metadata was never replaced";
  disk_.Inject(
      {.operations = file_op::kSyncDirectory, .error_number = EMFILE, .path_part = "/data/ns/7"});
  if (!TryOpen().ok()) Open();
  Mark(1, 4000);
  CutPower();
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(log_->Position(1).deleted_through, 4000u) << "deleted records are back";
}

TEST_F(SegmentOrderTest, ABatchThatDamageMayHoldIsNotStoredAgainWhereverOpeningIsCut) {
  for (RegionId region = 100; region < 228; ++region) {
    SCOPED_TRACE(region);
    policy_ = RecoveryPolicy::kRefuse;
    version_ = 0;
    Open(region);
    const uint64_t producer = OpenProducer();
    // Where the metadata's next entries lie in their sectors.
    for (RegionId i = 0; i < region % 64; ++i) RaiseVersion();
    ASSERT_TRUE(CommitOne(*log_, Of(producer, 1)).status.ok());
    StartAgain();
    disk_.FlipBit(absl::StrCat("/data/ns/", region, "/seg_0"), 512 + segment::kGroupHeadBytes + 1,
                  3);
    policy_ = RecoveryPolicy::kQuarantine;
    // The write of what was found, or its sync.
    disk_.CrashAt(region < 164 ? 7 : 8, Crash::kPowerCut);
    (void)TryOpen(region);
    StartAgain();
    Open(region);
    const BatchResult retry = CommitOne(*log_, Of(producer, 1));
    EXPECT_TRUE(HasReason(retry.status, ErrorReason::kProducerForgotten)) << retry.status;
  }
}

// Clients chose the ids of producers in an older version of Walden.
TEST_F(SegmentOrderTest, ABatchFromBeforeItsIdWasIssuedIsAnotherProducers) {
  Open();
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(CommitOne(*log_, {.table = 1, .payloads = {"x"}}).status.ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_ = nullptr;
  {
    using segment::MetadataEntry;
    auto file = disk_.OpenFile("/data/ns/7/metadata", FileSystem::OpenMode::kReadOnly);
    ASSERT_TRUE(file.ok());
    auto loaded = segment::LoadMetadata(**file, "metadata");
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    auto metadata = segment::MetadataFile::Open(&disk_, "/data/ns/7", *std::move(loaded));
    ASSERT_TRUE(metadata.ok()) << metadata.status();
    ASSERT_TRUE(
        (*metadata)
            ->Append({MetadataEntry::ProducerPart(5, 1, {1, 2, 2}),
                      MetadataEntry::ProducerPart(6, 1, {1, 3, 3}),
                      MetadataEntry::ProducerIssued(5, 3), MetadataEntry::ProducerIssued(6, 3)})
            .ok());
  }
  Open();
  EXPECT_FALSE(CommitOne(*log_, Of(5, 1)).duplicate);
  EXPECT_TRUE(CommitOne(*log_, Of(6, 1)).duplicate);
}

// The record that names the producer is damaged, the batch behind it is not.
TEST_F(SegmentOrderTest, ABatchWhoseProducerIsDamagedIsNotStoredAgain) {
  Open();
  const uint64_t producer = OpenProducer();
  const uint64_t other = OpenProducer();
  for (const BatchResult& result : CommitGroup(*log_, {Of(producer, 1), Of(other, 1)})) {
    ASSERT_TRUE(result.status.ok()) << result.status;
  }
  ASSERT_TRUE(NoteDurableAndWait(*log_).ok());
  StartAgain();
  disk_.FlipBit("/data/ns/7/seg_0", 512 + segment::kGroupHeadBytes + segment::kControlFieldsOffset,
                3);
  policy_ = RecoveryPolicy::kQuarantine;
  for (int opening = 0; opening < 2; ++opening) {
    ASSERT_NO_FATAL_FAILURE(Open());
    for (const uint64_t id : {producer, other}) {
      const BatchResult retry = CommitOne(*log_, Of(id, 1));
      EXPECT_TRUE(retry.duplicate || HasReason(retry.status, ErrorReason::kProducerForgotten))
          << "stored again as " << retry.first << ", " << retry.status;
    }
    StartAgain();
  }
}

TEST_F(SegmentOrderTest, ADropThatAPowerCutUndidTookNothing) {
  for (RegionId region = 100; region < 164; ++region) {
    SCOPED_TRACE(region);
    Open(region);
    ASSERT_TRUE(Append(1, 100).status.ok());
    log_ = nullptr;
    disk_.CrashAt(2, Crash::kKill);  // renamed, not synced
    ASSERT_FALSE(DropRegionAndWait(*engine_, region).ok());
    engine_ = nullptr;
    disk_.Restart();
    disk_.CrashAt(1 + region % 10, Crash::kPowerCut);
    (void)TryOpenEngine();
    StartAgain();
    const auto regions = engine_->ListRegions();
    ASSERT_TRUE(regions.ok()) << regions.status();
    if (std::find(regions->begin(), regions->end(), region) == regions->end()) continue;
    ASSERT_NO_FATAL_FAILURE(Open(region));
    EXPECT_EQ(ReadTable(*log_, 1)->size(), 1u);
    log_ = nullptr;
    ASSERT_TRUE(DropRegionAndWait(*engine_, region).ok());
  }
}

// A directory that moved to a disk with larger sectors.
TEST_F(SegmentOrderTest, ABatchThatFitsNoSegmentOfALargerAlignmentIsRefused) {
  segment_bytes_ = 64 << 10;
  Open();
  ASSERT_TRUE(Append(1, 100).status.ok());
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  disk_.SetWriteAlignment(4096);
  Open();
  const size_t bytes = segment_bytes_ - 512 - segment::kGroupHeadBytes - segment::kMinRecordBytes;
  const BatchResult result = Append(1, bytes);
  EXPECT_TRUE(HasReason(result.status, ErrorReason::kLimitExceeded)) << result.status;
  EXPECT_TRUE(Append(1, bytes - 4096).status.ok());
  const size_t stored = result.status.ok() ? 3 : 2;
  StartAgain();
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto read = ReadTable(*log_, 1);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), stored);
}

// The window of remembered batches must not move past what is durable.
TEST_F(SegmentOrderTest, BatchesOfARemovedSegmentAreRememberedThoughLaterOnesWereNotDurable) {
  Open();
  const uint64_t producer = OpenProducer();
  const BatchResult first = CommitOne(*log_, Of(producer, 1));
  ASSERT_TRUE(first.status.ok());
  ASSERT_TRUE(Append(2, 200'000).status.ok());
  ASSERT_TRUE(Append(2, 100'000).status.ok());
  for (uint64_t i = 2; i <= kProducerWindowBatches + 1; ++i) {
    ASSERT_TRUE(CommitOne(*log_, Of(producer, i, Durability::kBuffered)).status.ok());
  }
  Mark(2, 2);
  Mark(1, 1);
  ASSERT_FALSE(disk_.Exists("/data/ns/7/seg_0"));
  CutPower();
  ASSERT_NO_FATAL_FAILURE(Open());
  const BatchResult retry = CommitOne(*log_, Of(producer, kProducerWindowBatches + 1));
  if (retry.status.ok()) {
    EXPECT_TRUE(retry.duplicate);
  } else {
    EXPECT_EQ(ErrorValue(retry.status, "expected_producer_sequence"), "2") << retry.status;
  }
  const BatchResult again = CommitOne(*log_, Of(producer, 1));
  EXPECT_TRUE(again.duplicate || !again.status.ok())
      << "stored twice: " << first.first << " and " << again.first;
}

TEST_F(SegmentOrderTest, ReplacingTheMetadataKeepsBatchesWhileLaterOnesAreNotWritten) {
  Open();
  const uint64_t producer = OpenProducer();
  for (uint64_t i = 1; i <= kProducerWindowBatches; ++i) {
    ASSERT_TRUE(CommitOne(*log_, Of(producer, i)).status.ok());
  }
  ASSERT_TRUE(Append(2, 200'000).status.ok());
  Mark(1, kMaxSequenceNumber);
  ASSERT_FALSE(disk_.Exists("/data/ns/7/seg_0"));
  // The metadata has no room for another entry.
  while (MetadataRoom() >= 24) RaiseVersion();
  std::vector<Batch> group;
  for (uint64_t i = 1; i <= kProducerWindowBatches; ++i) {
    group.push_back(Of(producer, kProducerWindowBatches + i));
  }
  group.push_back({.table = 3, .payloads = {"x"}, .region_version = ++version_});
  disk_.Inject({.operations = file_op::kWrite, .path_part = "seg_"});
  for (const BatchResult& result : CommitGroup(*log_, group)) EXPECT_FALSE(result.status.ok());
  EXPECT_GT(MetadataRoom(), 1000u) << "the metadata was not replaced";
  CutPower();
  ASSERT_NO_FATAL_FAILURE(Open());
  const BatchResult last = CommitOne(*log_, Of(producer, kProducerWindowBatches));
  EXPECT_TRUE(last.status.ok()) << last.status;
  EXPECT_TRUE(last.duplicate);
  const BatchResult next = CommitOne(*log_, Of(producer, kProducerWindowBatches + 1));
  EXPECT_TRUE(next.status.ok()) << next.status;
  EXPECT_FALSE(next.duplicate);
}

TEST_F(SegmentOrderTest, ANextNumberThatCouldNotBeNotedAtOnceIsNotedWhenTheRegionCloses) {
  Open();
  ASSERT_TRUE(CommitOne(*log_, {.table = 1, .payloads = {"x"}, .durability = Durability::kBuffered})
                  .status.ok());
  while (MetadataRoom() >= 24) RaiseVersion();
  CutPower();
  disk_.Inject({.operations = file_op::kAllocate,
                .times = Fault::kForever,
                .error_number = ENOSPC,
                .path_part = "metadata"});
  ASSERT_NO_FATAL_FAILURE(Open());
  const SequenceNumber told = log_->Position(1).next;
  EXPECT_GT(told, 2u);
  disk_.ClearFaults();
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_EQ(log_->Position(1).next, told);
  EXPECT_EQ(Append(1, 10).first, told);
}

// Padding holds nothing, and opening does not look at it.
TEST_F(SegmentOrderTest, ABitThatFlipsBehindAGroupHidesNoRecordBehindIt) {
  Open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(1, 100).status.ok());
  StartAgain();
  disk_.FlipBit("/data/ns/7/seg_0", 512 + segment::kGroupHeadBytes + segment::kMinRecordBytes + 100,
                3);
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_TRUE(log_->Describe().opening.damaged.empty());
  for (const std::optional<TableId> table : {std::optional<TableId>(), std::optional<TableId>(1)}) {
    const auto read = ReadAll(*log_, {.table = table});
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(read->size(), 3u);
  }
}

TEST_F(SegmentOrderTest, AReaderOfADroppedRegionIsShownNothingOfTheNextOne) {
  Open();
  ASSERT_TRUE(Append(1, 100, 'o').status.ok());
  const auto reader = log_->NewReader({.table = 1});
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE(CloseAndWait(*log_).ok());
  log_ = nullptr;
  ASSERT_TRUE(DropRegionAndWait(*engine_, kRegion).ok());
  Open();
  ASSERT_TRUE(Append(1, 100, 'n').status.ok());
  std::vector<StoredRecord> read;
  const auto progress = NextInto(**reader, {}, read);
  EXPECT_TRUE(absl::IsDataLoss(progress.status())) << progress.status();
  EXPECT_TRUE(read.empty()) << read.front();
}

TEST_F(SegmentOrderTest, ASealedSegmentOfAnotherRegionIsNotRead) {
  segment_bytes_ = 64 << 10;
  for (const RegionId region : {RegionId{8}, kRegion}) {
    Open(region);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(1, 40'000, region == 8 ? 'a' : 'b').status.ok());
  }
  Put("/data/ns/7/seg_0", disk_.ReadWhole("/data/ns/8/seg_0"));
  const auto read = ReadTable(*log_, 1);
  EXPECT_TRUE(absl::IsDataLoss(read.status())) << read.status();
}

}  // namespace
}  // namespace walden::testing
