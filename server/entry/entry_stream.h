// The common part of Scan, Flush and EntryService.Recover: a stream of entries of one table.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/entry/entry_cursor.h"
#include "server/entry/entry_encoder.h"
#include "server/read/chunk_stream.h"

namespace walden {

class EntryStream : public ChunkStream {
 protected:
  // `entries_field` is the number of the response's repeated field.
  EntryStream(const ReadEnvironment& environment, Method method,
              const grpc::CallbackServerContext& call, int entries_field)
      : ChunkStream(environment, method, call), entries_field_(entries_field) {}

  // Finds the table and calls OpenTable. OpenTable returns nullopt while the table's pages are not
  // loaded, and is called again once they are.
  absl::StatusOr<Opening> Open(std::shared_ptr<RegionActor> actor,
                               std::unique_ptr<ReadSession>& session) final {
    if (!waited_.ok()) return waited_;
    if (actor == nullptr) return OpenNothing();
    if (actor->closed()) return ReadSession::ClosedError(*actor);
    const auto table = actor->entries().Find(TableOf());
    if (!table.ok()) return table.status();
    if (*table == nullptr) return OpenNothing();
    absl::StatusOr<std::optional<Opening>> opening = OpenTable(actor, *table, session);
    if (!opening.ok()) return opening.status();
    if (opening->has_value()) return **opening;
    (*table)->WhenReady([this, actor](const absl::Status& status) { Resume(actor, status); });
    return Opening::kLater;
  }

  virtual TableId TableOf() const = 0;
  virtual absl::StatusOr<std::optional<Opening>> OpenTable(
      const std::shared_ptr<RegionActor>& actor, const std::shared_ptr<entry::EntryTable>& table,
      std::unique_ptr<ReadSession>& session) = 0;
  // The table was never written.
  virtual Opening OpenNothing() { return Opening::kNothing; }

  // Called when a wait of Open has ended. Calls Open again, or ends the stream with the error.
  void Resume(const std::shared_ptr<RegionActor>& actor, const absl::Status& status) {
    waited_ = status;
    OpenAgain(actor);
  }

  std::unique_ptr<ReadSession> Walk(const std::shared_ptr<RegionActor>& actor,
                                    const std::shared_ptr<entry::EntryTable>& table,
                                    entry::PageView view, entry::CursorRange range,
                                    uint64_t max_entries = UINT64_MAX) {
    const SessionLimits limits{.max_records = max_entries,
                               .chunk_payload_bytes = chunk_payload_bytes()};
    return ReadSession::Over(
        actor, std::make_unique<entry::EntryCursor>(table, std::move(view), std::move(range)),
        limits, statistics());
  }

  // Only a Finalize deletes records of entries.
  absl::Status EndOf(const absl::Status& status) const final {
    if (!HasReason(status, ErrorReason::kRecordsGone)) return status;
    return MakeError(absl::StatusCode::kAborted, ErrorReason::kFlushFinalized,
                     absl::StrCat("entries of table ", TableOf(),
                                  " were finalized while they were streamed: begin again"),
                     {{"field", "table_id"}, {"value", absl::StrCat(TableOf())}});
  }

  void EncodeRecord(const RecordView& record, Chunk& chunk) final {
    // Making the pages decoded the same records, so they are valid.
    const std::optional<entry::EntryView> entry = entry::Decode(record.payload);
    if (!entry.has_value() || entry->kind == entry::RecordKind::kFlushMarker) return;
    ++entries_;
    bytes_ += entry->key.size() + entry->value.size();
    EncodeEntry(entries_field_, record.sequence, *entry, chunk);
  }

  // Of the entries that were streamed.
  uint64_t entries() const { return entries_; }
  uint64_t bytes() const { return bytes_; }

 private:
  const int entries_field_;
  absl::Status waited_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;  // of keys and values
};

}  // namespace walden
