// A region's `metadata` file (metadata_format.h): what must survive that the log itself cannot say.
//
// Appending an entry is durable when the call returns. When the file fills up it is replaced,
// atomically, by one that holds only what still matters. Both the file and its replacement are
// really allocated ahead, so that marks can be written on a full disk. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/io/file_system.h"
#include "engine/producer_table.h"
#include "engine/segment/metadata_format.h"
#include "engine/types.h"

namespace walden::segment {

struct MetadataEntry {
  EntryType type = EntryType::kOpened;
  std::vector<uint64_t> fields;

  static MetadataEntry SegmentCreated(uint64_t id, SequenceNumber expected, uint64_t bytes);
  static MetadataEntry SegmentDeleted(uint64_t id);
  static MetadataEntry TableMark(TableId table, SequenceNumber through);
  static MetadataEntry RegionVersion(uint64_t version);
  static MetadataEntry SequenceReserved(SequenceNumber through);
  static MetadataEntry Closed(uint64_t segment, uint64_t offset, SequenceNumber next);
  static MetadataEntry Opened();
  static MetadataEntry EntryTable(TableId table);
  static MetadataEntry TableOffset(TableId table, uint64_t offset);
};

// Everything the entries say, the latest about each thing.
struct MetadataState {
  struct Segment {
    SequenceNumber expected = 1;  // number of its first record
    uint64_t bytes = 0;
    SequenceNumber expected_behind = 0;  // where the next segment began, deleted or not; 0 = newest
  };
  using ProducerBatch = walden::ProducerBatch;
  struct Quarantine {
    uint64_t segment = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
    SequenceNumber first = 0;
    SequenceNumber last = 0;
  };
  struct CleanEnd {
    uint64_t segment = 0;
    uint64_t offset = 0;
    SequenceNumber next = 0;
  };

  std::map<uint64_t, Segment> segments;  // live ones, by id
  uint64_t next_segment_id = 0;          // higher than any that ever was
  absl::flat_hash_map<TableId, SequenceNumber> marks;
  absl::flat_hash_set<TableId> entry_tables;
  absl::flat_hash_map<TableId, uint64_t> offsets;
  uint64_t region_version = 0;
  SequenceNumber reserved_through = 0;
  std::vector<ProducerBatch> producers;
  std::vector<Quarantine> quarantines;
  std::optional<CleanEnd> closed;

  void Apply(const MetadataEntry& entry);
  std::vector<MetadataEntry> AsEntries() const;
};

// Reads the entries of a metadata file. DATA_LOSS with the offset if one is damaged; an entry that
// a crash cut (it was never acknowledged) ends the file.
struct LoadedMetadata {
  MetadataState state;
  std::string bytes;  // magic number and entries, as read
  uint64_t end = 0;   // where the next entry goes
  uint32_t last_append = 0;
  uint64_t torn_bytes = 0;  // of a cut entry behind it
};
absl::StatusOr<LoadedMetadata> LoadMetadata(const File& file, const std::string& shown_path);

class MetadataFile {
 public:
  // Writes a new file `directory`/metadata, durably but for the directory itself.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Create(
      FileSystem* file_system, const std::string& directory,
      absl::Span<const MetadataEntry> entries);

  // Opens for appending what LoadMetadata read, and makes it durable: a process that was killed may
  // have left entries that no sync ever reached. Removes a torn entry.
  static absl::StatusOr<std::unique_ptr<MetadataFile>> Open(FileSystem* file_system,
                                                            const std::string& directory,
                                                            LoadedMetadata loaded);

  // Durable on return; a crash before that leaves a prefix of the entries. DISK_FULL: nothing
  // happened, the file is as it was. Any other error: unknown; do not use the file again.
  absl::Status Append(absl::Span<const MetadataEntry> entries);

  const MetadataState& state() const { return state_; }

  // Remembered producers are forgotten at the next replacement unless they are in here.
  void SetProducers(std::vector<MetadataState::ProducerBatch> producers) {
    state_.producers = std::move(producers);
  }

  absl::Status Close() { return file_->Close(); }

 private:
  MetadataFile(FileSystem* file_system, std::string directory, std::unique_ptr<File> file)
      : file_system_(file_system), directory_(std::move(directory)), file_(std::move(file)) {}

  absl::Status Replace(const MetadataState& state);
  absl::Status PrepareReplacement(uint64_t size);
  std::string Path() const;

  FileSystem* const file_system_;
  const std::string directory_;
  std::unique_ptr<File> file_;
  std::unique_ptr<File> replacement_;  // allocated and empty; null if there was no room
  uint64_t replacement_size_ = 0;
  uint64_t size_ = 0;
  uint64_t end_ = 0;
  uint32_t last_append_ = 0;
  MetadataState state_;
};

// Name of the file inside a region's directory.
inline constexpr absl::string_view kMetadataFileName = "metadata";

}  // namespace walden::segment
