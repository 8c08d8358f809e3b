// The entries of a region's metadata (metadata_format.h) and the state that they add up to. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "engine/common/producer_table.h"
#include "engine/segment/metadata_format.h"
#include "engine/segment/segment_header.h"
#include "engine/types.h"

namespace walden::segment {

// Identifies the region that a metadata file belongs to.
struct MetadataIdentity {
  NamespaceId namespace_id = 0;
  std::string namespace_name;
  RegionId region = 0;

  bool operator==(const MetadataIdentity&) const = default;
};

// Everything before byte `end` of `segment` is durable, the next record there has number `next`,
// and nothing is written from byte `reach` on.
struct Watermark {
  uint64_t segment = 0;
  uint64_t end = 0;
  SequenceNumber next = 0;
  uint64_t reach = 0;
};

struct MetadataEntry {
  EntryType type = EntryType::kOpened;
  std::vector<uint64_t> fields;

  // Alignment 0: a version 1 segment. `previous_end` seals the segment before: it ends at that byte
  // and with the number before `expected`. One entry holds both facts, so that no crash separates
  // them. 0 seals nothing.
  static MetadataEntry SegmentCreated(SequenceNumber expected, const SegmentHeader& header,
                                      uint64_t previous_end = 0);
  static MetadataEntry SegmentSealed(uint64_t id, uint64_t end, SequenceNumber next);
  static MetadataEntry SegmentDeleted(uint64_t id);
  static MetadataEntry TableMark(TableId table, SequenceNumber through);
  static MetadataEntry RegionVersion(uint64_t version);
  static MetadataEntry SequenceReserved(SequenceNumber through);
  static MetadataEntry NumberFloor(SequenceNumber floor);
  static MetadataEntry Closed(uint64_t segment, uint64_t offset, SequenceNumber next);
  static MetadataEntry Opened();
  static MetadataEntry Noted(const Watermark& watermark);
  static MetadataEntry EntryTable(TableId table);
  static MetadataEntry TableOffset(TableId table, uint64_t offset);
  // The numbers of a producer's batch in one table, or a number that the producer passed over.
  static MetadataEntry ProducerPart(uint64_t id, uint64_t sequence, const ProducerRange& numbers);
  static MetadataEntry ProducerIssued(uint64_t id, SequenceNumber next);
  static MetadataEntry ProducersForgotten(uint64_t first, uint64_t last);
};

// Fields of each type's body; nullopt for a type that this version does not know.
std::optional<size_t> FieldCount(EntryType type);

// The state after all entries: the latest value of each field.
struct MetadataState {
  struct Segment {
    SequenceNumber expected = 1;  // number of its first record
    uint64_t bytes = 0;
    uint32_t alignment = 0;  // 0: version 1
    uint64_t salt = 0;
    uint64_t sealed_end = 0;             // end of its records; 0: not known
    SequenceNumber expected_behind = 0;  // number behind its last record; 0: not sealed, the newest
  };
  // Numbers that end below their first one: the producer passed over its number.
  struct ProducerPart {
    uint64_t id = 0;
    uint64_t sequence = 0;
    ProducerRange numbers;
  };
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
  SequenceNumber number_floor = 0;
  std::map<uint64_t, SequenceNumber> producers_issued;  // remembered ids, and when they were issued
  uint64_t producers_issued_through = 0;                // forgotten ones too
  // A batch has one part for each of its tables. A crash may have left only some of them; then the
  // batch is still in the log. A part may come twice.
  std::vector<ProducerPart> producers;
  std::vector<Quarantine> quarantines;
  std::optional<CleanEnd> closed;
  std::optional<Watermark> watermark;      // of the newest segment
  std::optional<int64_t> upgraded_millis;  // when version 1 segments were first opened by version 2

  void Apply(const MetadataEntry& entry);
  std::vector<MetadataEntry> AsEntries() const;

  // Drops producers' batches that no retry can ask for: those of forgotten ids, and those older
  // than a whole window of batches that the metadata holds. Batches that only the log holds do not
  // count, since they may be lost.
  void DropPastBatches();

  // Records that the segment ends at byte `end`.
  void Seal(uint64_t id, uint64_t end, SequenceNumber next);
};

}  // namespace walden::segment
