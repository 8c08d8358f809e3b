#include "engine/transfer/restore_writer.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/wait.h"

namespace walden {
namespace {

// Bytes of a group, which takes one sync.
constexpr size_t kGroupBytes = 4 << 20;
constexpr size_t kGroupRecords = 1 << 16;

// A batch must fit a segment, and the smallest segment that can be configured has 1 MiB. A larger
// record is a batch by itself.
constexpr size_t kBatchBytes = 512 << 10;
constexpr size_t kOverheadBytes = 32;

}  // namespace

absl::Status RestoreWriter::Add(TableId table, TableKind kind, SequenceNumber sequence,
                                absl::string_view payload) {
  const size_t cost = payload.size() + kOverheadBytes;
  if (!batches_.empty() && (bytes_.size() + cost > kGroupBytes || records_ >= kGroupRecords)) {
    const absl::Status status = Flush();
    if (!status.ok()) return status;
  }
  const bool goes_on = !batches_.empty() && batches_.back().table == table &&
                       batches_.back().first + batches_.back().payloads.size() == sequence &&
                       batches_.back().bytes + cost <= kBatchBytes;
  if (!goes_on) batches_.push_back({.table = table, .kind = kind, .first = sequence});
  Gathered& batch = batches_.back();
  batch.payloads.push_back({bytes_.size(), bytes_.size() + payload.size()});
  batch.bytes += cost;
  bytes_.append(payload.data(), payload.size());
  ++records_;
  return absl::OkStatus();
}

absl::Status RestoreWriter::Flush() {
  if (batches_.empty()) return absl::OkStatus();
  std::vector<AppendBatch> batches(batches_.size());
  std::vector<AppendBatch*> group;
  for (size_t i = 0; i < batches_.size(); ++i) {
    batches[i].kind = batches_[i].kind;
    TableAppend& append = batches[i].tables.emplace_back();
    append.table = batches_[i].table;
    append.first_sequence = batches_[i].first;
    for (const Piece& piece : batches_[i].payloads) {
      append.payloads.push_back(
          absl::string_view(bytes_).substr(piece.begin, piece.end - piece.begin));
    }
    group.push_back(&batches[i]);
  }
  CommitAndWait(log_, group);
  for (const AppendBatch& batch : batches) {
    if (batch.result.status.ok()) continue;
    const TableAppend& append = batch.tables[0];
    return WithContext(
        batch.result.status,
        absl::StrCat("restoring record ", *append.first_sequence, " of table ", append.table));
  }
  batches_.clear();
  bytes_.clear();
  if (bytes_.capacity() > 2 * kGroupBytes) bytes_.shrink_to_fit();
  records_ = 0;
  return absl::OkStatus();
}

}  // namespace walden
