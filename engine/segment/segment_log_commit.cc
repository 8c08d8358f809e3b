// Group commit: checks and encodes every batch and writes them, then syncs once for all groups that
// are written, and publishes them to readers. The next group is written while the last one syncs.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/append_checks.h"
#include "engine/common/table_kind.h"
#include "engine/segment/batch_room.h"
#include "engine/segment/format.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

// Numbers of BUFFERED appends are reserved in the metadata this many at a time. So no number that a
// client saw is given out again after a power cut took its record.
constexpr SequenceNumber kReserveNumbers = 1 << 20;

// A commit with more bytes is written as several groups of about this size, so that encoding one
// overlaps with writing another.
constexpr uint64_t kPortionBytes = 512 << 10;

// Encoding and writing fewer bytes takes much less time than a sync, so overlapping them with one
// gains nothing.
constexpr uint64_t kWorthwhileBytes = 64 << 10;

}  // namespace

// A group under way: staged and written when it is begun, then synced and published.
class SegmentLog::CommitOperation final : public OperationQueue::Operation {
 public:
  CommitOperation(SegmentLog* log, absl::Span<AppendBatch* const> group, std::function<void()> done)
      : group(group.begin(), group.end()), log_(log), done_(std::move(done)) {}

  bool is_begun() const override { return is_begun_; }
  bool Begin(bool is_alone) override {
    if (!is_alone && !log_->CanBegin(group)) return false;
    log_->Begin(*this);
    is_begun_ = true;
    return true;
  }
  void Done() override { done_(); }

  const std::vector<AppendBatch*> group;
  // Set when it is begun.
  bool needs_sync = false;
  WrittenEnd end;
  std::vector<PublishedLog::Group> staged;
  SequenceNumber next = 0;  // to be assigned behind it
  absl::Status failed;      // why it was not written

 private:
  SegmentLog* const log_;
  const std::function<void()> done_;
  bool is_begun_ = false;
};

CommitPolicy SegmentLog::commit_policy() const {
  return {.max_under_way = std::max<size_t>(env_.options.max_commits_under_way, 1),
          .worthwhile_bytes = kWorthwhileBytes,
          .linger = absl::ZeroDuration()};
}

void SegmentLog::Commit(absl::Span<AppendBatch* const> group, std::function<void()> done) {
  operations_.Add(std::make_unique<CommitOperation>(this, group, std::move(done)));
}

bool SegmentLog::CanBegin(absl::Span<AppendBatch* const> group) const {
  if (active_ == nullptr || metadata_->state().closed) return false;
  uint64_t bytes = 0;
  for (const AppendBatch* batch : group) {
    // A number passed over and a restored record may need syncs in between.
    if (batch->tables.empty() || batch->tables[0].first_sequence) return false;
    bytes += EncodedBatchBytes(*batch);
  }
  // Each portion of a large group is a group of its own, which begins at an aligned position. A portion
  // ends by its bytes with its head.
  const uint64_t portions = bytes / (kPortionBytes - kGroupHeadBytes) + 1;
  const uint64_t end =
      group_begin() + bytes + portions * (active_header_.alignment + kGroupHeadBytes);
  return end <= usable_bytes() && active_header_.GroupBegin(end) <= reach_;
}

// Checks, encodes and writes the group.
void SegmentLog::Begin(CommitOperation& commit) {
  uint64_t bytes = kGroupHeadBytes;
  for (const AppendBatch* batch : commit.group) bytes += EncodedBatchBytes(*batch);
  writer_.Reserve(bytes);
  staged_.clear();
  ForgetPublished();
  for (AppendBatch* batch : commit.group) {
    batch->ClearResult();
    batch->result.status = Stage(*batch);
    if (batch->result.status.ok() && batch->durability == Durability::kSync) {
      commit.needs_sync = true;
    }
  }
  commit.failed = Health();
  // Numbers were given to what is staged, and commits behind it build on them.
  if (commit.failed.ok()) commit.failed = WriteStaged();
  if (!commit.failed.ok()) commit.failed = Fail(commit.failed);
  commit.needs_sync |=
      appends_staged_ - appends_synced_.load() >= env_.options.buffered_sync_every_writes;
  commit.end = written();
  commit.staged.swap(staged_);
  commit.next = next_;
}

// Commits that need no sync are not kept waiting for one that others need.
size_t SegmentLog::Finish(absl::Span<OperationQueue::Operation* const> begun) {
  std::vector<CommitOperation*> commits;
  const auto needs_sync = [](const OperationQueue::Operation* operation) {
    return static_cast<const CommitOperation*>(operation)->needs_sync;
  };
  const bool syncs = needs_sync(begun[0]);
  for (OperationQueue::Operation* operation : begun) {
    if (!syncs && needs_sync(operation)) break;
    commits.push_back(static_cast<CommitOperation*>(operation));
  }
  FinishTogether(commits);
  return commits.size();
}

void SegmentLog::FinishTogether(absl::Span<CommitOperation* const> commits) {
  absl::Status status = Health();
  bool sync = false;
  bool has_records = false;
  for (const CommitOperation* commit : commits) {
    if (status.ok()) status = commit->failed;
    sync |= commit->needs_sync;
    has_records |= !commit->staged.empty();
  }
  if (status.ok() && sync) status = SyncThrough(commits.back()->end);
  if (status.ok() && has_records) status = CheckActive();
  for (CommitOperation* commit : commits) {
    if (status.ok() && !commit->staged.empty()) {
      published_->Publish(commit->staged, commit->next, env_.clock->Now());
    }
    for (AppendBatch* batch : commit->group) {
      if (!status.ok()) FailBatch(*batch, status);
      batch->result.durable = batch->result.status.ok() && commit->end.end <= durable_end_;
    }
  }
}

bool SegmentLog::Work() {
  return operations_.Work(
      [this](absl::Span<OperationQueue::Operation* const> begun) { return Finish(begun); });
}

absl::Status SegmentLog::CheckFits(uint64_t bytes) const {
  return CheckBatchFits(bytes, EmptySegmentRoom(active_header_, env_.options.segment_size_bytes));
}

PublishedLog::TableFacts SegmentLog::FactsOf(TableId id) const {
  PublishedLog::TableFacts table = published_->Facts(id);
  const SequenceNumber staged = StagedLast(id);
  if (staged > table.last) {
    table.last = staged;
    table.next = table.last - std::min(table.last, table.offset) + 1;
    if (!table.kind) table.kind = TableKind::kLog;
  }
  return table;
}

// The table's last number in commits that are not published; lower, or 0, if there is none.
SequenceNumber SegmentLog::StagedLast(TableId table) const {
  const auto staged = staged_last_.find(table);
  if (staged != staged_last_.end()) return staged->second;
  const auto older = older_staged_last_.find(table);
  return older == older_staged_last_.end() ? 0 : older->second;
}

void SegmentLog::ForgetPublished() {
  if (operations_.done() < older_staged_through_) return;
  older_staged_last_.clear();
  older_staged_last_.swap(staged_last_);
  older_staged_through_ = operations_.added();
}

absl::Status SegmentLog::CheckPositions(const AppendBatch& batch) const {
  for (size_t i = 0; i < batch.tables.size(); ++i) {
    const TableAppend& append = batch.tables[i];
    absl::Status status = CheckTableKind(append.table, facts_[i].kind, batch.kind);
    if (status.ok()) status = CheckExpectedNext(append, facts_[i].next);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::Stage(AppendBatch& batch) {
  const absl::Status status = StageOn(batch);
  if (!HasReason(status, ErrorReason::kRegionFailed)) batch.result.may_be_stored = false;
  return status;
}

absl::Status SegmentLog::StageOn(AppendBatch& batch) {
  absl::Status status = Health();
  if (status.ok()) status = CheckWanted(batch);
  if (status.ok()) status = CheckTables(batch);
  if (status.ok()) status = Fence(batch.region_version);
  if (!status.ok()) return status;
  facts_.clear();
  for (const TableAppend& append : batch.tables) facts_.push_back(FactsOf(append.table));
  // The retry of a stored batch is answered even if segments are smaller now than the batch.
  if (AnswerRetry(producers_, batch, &status)) {
    if (status.ok()) ShowNumbers(batch);
    return status;
  }
  if (batch.tables.empty()) {
    batch.result.may_be_stored = true;
    return PassOver(batch);
  }
  const uint64_t bytes = EncodedBatchBytes(batch);
  const uint64_t records = batch.records();
  status = CheckFits(bytes);
  if (status.ok()) status = CheckPositions(batch);
  if (status.ok() && metadata_->state().closed) status = NoteWriting();
  SequenceNumber first = next_;
  if (status.ok() && batch.tables[0].first_sequence) {
    status = PlaceRestored(batch.tables[0], facts_[0], &first);
  }
  if (status.ok()) status = CheckNumbersLeft(first, records);
  if (status.ok() && batch.durability == Durability::kBuffered) {
    status = Reserve(first + records - 1);
  }
  if (status.ok()) status = MakeRoom(bytes);
  if (status.ok()) status = DecideKinds(batch);
  if (!status.ok()) return status;

  batch.result.may_be_stored = true;
  Encode(batch, first);
  Remember(batch);
  ShowNumbers(batch);
  ++appends_staged_;
  if (writer_.size() < kPortionBytes) return absl::OkStatus();
  const uint64_t begin = group_begin();
  status = WriteStaged();
  if (status.ok()) active_->StartWriteBack(begin, active_end_ - begin);
  return status;
}

// Turns the log's numbers into those that clients know.
void SegmentLog::ShowNumbers(AppendBatch& batch) const {
  for (size_t i = 0; i < batch.tables.size(); ++i) {
    batch.tables[i].first -= facts_[i].offset;
    batch.tables[i].last -= facts_[i].offset;
  }
}

// Stores the kinds of entry logs durably, all at once, before their first record. A table with
// records and no stored kind is a plain log.
absl::Status SegmentLog::DecideKinds(const AppendBatch& batch) {
  if (batch.kind != TableKind::kEntries) return absl::OkStatus();
  std::vector<MetadataEntry> entries;
  for (size_t i = 0; i < batch.tables.size(); ++i) {
    if (!facts_[i].kind) entries.push_back(MetadataEntry::EntryTable(batch.tables[i].table));
  }
  if (entries.empty()) return absl::OkStatus();
  const absl::Status status = AppendMetadata(entries);
  if (!status.ok()) return status;
  for (const MetadataEntry& entry : entries) published_->SetEntryTable(entry.fields[0]);
  return status;
}

absl::Status SegmentLog::Fence(std::optional<uint64_t> version) {
  const uint64_t highest = metadata_->state().region_version;
  const absl::Status fenced = CheckFence(version, highest);
  if (!fenced.ok() || version.value_or(highest) == highest) return fenced;
  const absl::Status status = AppendMetadata({MetadataEntry::RegionVersion(*version)});
  if (status.ok()) published_->SetRegionVersion(*version);
  return status;
}

absl::Status SegmentLog::Reserve(SequenceNumber through) {
  if (through <= metadata_->state().reserved_through) return absl::OkStatus();
  return AppendMetadata({MetadataEntry::SequenceReserved(
      through + std::min(kReserveNumbers, kMaxSequenceNumber - through))});
}

absl::Status SegmentLog::MakeRoom(uint64_t bytes) {
  const uint64_t before = writer_.in_group() ? writer_.size() : kGroupHeadBytes;
  absl::Status status;
  uint64_t end = group_begin() + before + bytes;
  if (active_ == nullptr || end > usable_bytes()) {
    status = WriteStaged();
    if (status.ok()) status = Roll();
    // The new segment may have a larger alignment than the one before, and so less room.
    if (status.ok()) status = CheckFits(bytes);
    if (!status.ok()) return status;
    end = group_begin() + kGroupHeadBytes + bytes;
  }
  // The reach is extended before the batch is encoded: without room for a watermark the batch is
  // refused.
  return ExtendReach(active_header_.GroupBegin(end));
}

// Sets the batch's numbers, as the log has them.
void SegmentLog::Encode(AppendBatch& batch, SequenceNumber first) {
  if (!writer_.in_group()) {
    writer_.BeginGroup();
    group_first_ = first;
  }
  if (staged_.empty() || staged_.back().segment != active_header_.segment) {
    staged_.push_back({.segment = active_header_.segment, .begin = group_begin()});
  }
  uint8_t flags = first != walk_next_ ? kJump : 0;
  if (batch.producer) {
    flags |= kControl | kMoreOfBatch;
    writer_.AddProducer({flags, batch.tables[0].table, first}, batch.producer->id,
                        batch.producer->sequence);
    flags = 0;
  }
  next_ = first;
  for (TableAppend& append : batch.tables) {
    append.first = next_;
    append.last = next_ + append.payloads.size() - 1;
    EncodeTable(append, flags, /*ends_batch=*/&append == &batch.tables.back());
    flags = 0;
    next_ = append.last + 1;
    staged_last_[append.table] = append.last;
  }
  walk_next_ = next_;
  staged_.back().end = StagedEnd();
  staged_.back().expected_at_end = walk_next_;
}

// `flags`: of the first record, besides "more of batch".
void SegmentLog::EncodeTable(const TableAppend& append, uint8_t flags, bool ends_batch) {
  std::vector<Run>& runs = staged_.back().runs;
  Run run{.table = append.table, .first = append.first, .begin = StagedEnd()};
  for (size_t i = 0; i < append.payloads.size(); ++i) {
    const SequenceNumber number = append.first + i;
    const uint64_t record_end = StagedEnd() + kMinRecordBytes + append.payloads[i].size();
    if (record_end - run.begin > kMaxRunBytes && run.first != number) {
      runs.push_back(run);
      run = {.table = append.table, .first = number, .begin = StagedEnd()};
    }
    if (!ends_batch || i + 1 < append.payloads.size()) flags |= kMoreOfBatch;
    writer_.AddRecord({flags, append.table, number}, append.payloads[i]);
    flags = 0;
    run.last = number;
    run.end = StagedEnd();
  }
  runs.push_back(run);
}

absl::Status SegmentLog::WriteStaged() {
  if (!writer_.in_group()) return absl::OkStatus();
  const absl::Status status = WriteGroup(group_first_);
  if (!staged_.empty()) staged_.back().unix_micros = last_unix_micros_;
  return status;
}

// Checks that the next opening will find the file: it was not renamed, removed or cut.
absl::Status SegmentLog::CheckActive() {
  const absl::Status in_place =
      active_->CheckInPlace(SegmentPath(active_header_.segment), active_header_.bytes);
  return in_place.ok() ? in_place : Fail(in_place);
}

// Writes the records in writer_ as one group.
absl::Status SegmentLog::WriteGroup(SequenceNumber first) {
  const uint64_t begin = group_begin();
  const uint64_t end = begin + writer_.size();
  absl::Status status = ExtendReach(active_header_.GroupBegin(end));
  if (!status.ok()) return status;
  last_unix_micros_ = std::max(last_unix_micros_, env_.wall_clock->UnixMicros());
  const GroupHead head{.sequence = first,
                       .previous_end = static_cast<uint32_t>(active_end_),
                       .durable = {active_header_.segment, static_cast<uint32_t>(durable_end_)},
                       .metadata_append = metadata_->last_append(),
                       .unix_micros = last_unix_micros_};
  writer_.FinishGroup(active_header_, begin, head);
  status = active_->Write(begin, writer_.pieces());
  writer_.Clear();
  if (!status.ok()) return Fail(status);
  active_end_ = end;
  written_next_ = walk_next_;
  appends_written_ = appends_staged_;
  group_metadata_append_ = head.metadata_append;
  return absl::OkStatus();
}

absl::Status SegmentLog::Roll() {
  absl::Status status = active_ == nullptr ? absl::OkStatus() : SyncActive();
  if (status.ok() && active_ != nullptr) status = CheckActive();
  if (!status.ok()) return status;
  SegmentHeader header{.salt = env_.random(),
                       .namespace_id = env_.directory.identity->namespace_id,
                       .region = env_.directory.identity->region,
                       .segment = metadata_->state().next_segment_id,
                       .bytes = env_.options.segment_size_bytes};
  const std::string path = SegmentPath(header.segment);
  // The file is not part of the log until the metadata names it: without room the region stays as
  // it was.
  if (env_.quota != nullptr) status = env_.quota->Take(header.bytes);
  if (!status.ok()) return status;
  bool was_prepared = false;
  status = env_.spares->Take(header, path, &was_prepared);
  std::unique_ptr<File> file;
  if (status.ok()) {
    auto opened = env_.file_system->OpenFile(path, FileSystem::OpenMode::kReadWrite);
    status = opened.status();
    if (opened.ok()) file = *std::move(opened);
  }
  if (status.ok()) status = env_.file_system->SyncDirectory(env_.directory.path);
  if (status.ok()) status = StartSegment(header, std::move(file));
  if (!status.ok() && env_.quota != nullptr) env_.quota->GiveBack(header.bytes);
  if (absl::IsResourceExhausted(status)) {
    // Best effort: the next opening removes a file that the metadata does not name.
    (void)env_.file_system->RemoveFile(path);
    return status;
  }
  if (!status.ok()) return Fail(status);
  env_.observer->OnSegmentStarted(was_prepared);
  return absl::OkStatus();
}

// Seals the newest segment and adds the new one to the log, by one write of the metadata.
absl::Status SegmentLog::StartSegment(const SegmentHeader& header, std::unique_ptr<File> file) {
  const Watermark watermark{.segment = header.segment,
                            .end = header.first_end(),
                            .next = walk_next_,
                            .reach = header.first_end() + reach_step_};
  const absl::Status status =
      metadata_->Append({MetadataEntry::SegmentCreated(walk_next_, header, active_end_),
                         MetadataEntry::Noted(watermark)});
  if (!status.ok()) return status;
  published_->SealNewest();
  published_->AddSegment({.file = MakeSegmentFile(header),
                          .end = header.first_end(),
                          .expected = walk_next_,
                          .expected_at_end = walk_next_,
                          .written = env_.clock->Now(),
                          .written_unix_micros = last_unix_micros_});
  active_ = std::move(file);
  active_header_ = header;
  const uint64_t end = header.first_end();
  noted_end_ = end;
  durable_end_ = end;
  active_end_ = end;
  durable_next_ = written_next_ = walk_next_;
  published_->SetDurableNext(durable_next_);
  reach_ = watermark.reach;
  return absl::OkStatus();
}

}  // namespace walden::segment
