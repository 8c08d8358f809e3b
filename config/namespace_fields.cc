// The fields of namespaces and of regions.
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "config/field_makers.h"
#include "config/field_types.h"
#include "config/fields.h"

namespace walden {
namespace {

// The disk quota and retention of a region. A namespace has a quota of its own, so the quota of its
// regions has another name there.
template <typename Owner>
void AddRegionBounds(std::vector<Field<Owner>>& fields, absl::string_view quota_key) {
  const auto add = [&fields](absl::string_view key, auto member, auto type, absl::string_view doc) {
    fields.push_back(Reloads(One<Owner>(key, Accessor(&Owner::settings, member), type, doc)));
  };
  add(quota_key, &RegionSettings::disk_quota, ByteSizeType{{0}, GiB(1 << 20)},
      "engine segment: bytes of disk that the segments of one region may take. Past it appends are "
      "refused with RESOURCE_EXHAUSTED until records are marked deleted. At least twice "
      "segment_size. 0: no quota.");
  add("retention_age", &RegionSettings::retention_age,
      DurationType{absl::ZeroDuration(), absl::Hours(24 * 3660)},
      "Records older than this are deleted, even if nobody marked them. engine segment: by whole "
      "segments. 0s: never (docs/operators/retention.md).");
  add("retention_bytes", &RegionSettings::retention_bytes, ByteSizeType{{0}, GiB(1 << 20)},
      "engine segment: the oldest segments of a region are deleted as long as this many bytes of "
      "live records stay. 0: never.");
  add("retention_records", &RegionSettings::retention_records,
      IntegerType<uint64_t>{0, UINT64_MAX / 2},
      "The newest records that are kept; older ones are deleted. engine segment: of a region, by "
      "whole segments. engine rocksdb: of each table. 0: all are kept.");
}

// The fields that a namespace and a region share.
template <typename Owner>
void AddRegionSettings(std::vector<Field<Owner>>& fields) {
  fields.push_back(One<Owner>(
      "durability", Accessor(&Owner::settings, &RegionSettings::durability),
      ChoiceType<Durability>{{{"sync", Durability::kSync}, {"buffered", Durability::kBuffered}}},
      "Durability of appends that do not ask for one. sync: answered after the records are on the "
      "disk for "
      "good. "
      "buffered: answered once written; a power cut can lose the last ones."));
  fields.push_back(
      One<Owner>("segment_size", Accessor(&Owner::settings, &RegionSettings::segment_size),
                 ByteSizeType{MiB(1), GiB(1)},
                 "engine segment: bytes of each new segment file, allocated when it is created."));
  fields.push_back(
      One<Owner>("buffered_sync_every_writes",
                 Accessor(&Owner::settings, &RegionSettings::buffered_sync_every_writes),
                 IntegerType<uint32_t>{1, 1'000'000},
                 "Buffered appends are made durable after this many writes at the latest."));
  fields.push_back(One<Owner>("buffered_sync_interval",
                              Accessor(&Owner::settings, &RegionSettings::buffered_sync_interval),
                              DurationType{absl::Milliseconds(1), absl::Hours(1)},
                              "Buffered appends are made durable after about this long."));
  fields.push_back(One<Owner>(
      "recovery_policy", Accessor(&Owner::settings, &RegionSettings::recovery_policy),
      ChoiceType<RecoveryPolicy>{
          {{"refuse", RecoveryPolicy::kRefuse}, {"quarantine", RecoveryPolicy::kQuarantine}}},
      "What happens to a region whose stored bytes are damaged. refuse: it does not open until "
      "somebody decides. quarantine: the damaged range answers DATA_LOSS, the rest is served. (A "
      "last "
      "write that a crash cut off is not damage and never keeps a region from opening.)"));
}

// Fields of namespaces whose engine is rocksdb.
void AddRocksdbFields(std::vector<Field<NamespaceConfig>>& fields) {
  using Owner = NamespaceConfig;
  const auto add = [&fields](absl::string_view key, auto member, ByteSize minimum,
                             absl::string_view doc) {
    fields.push_back(
        One<Owner>(key, Accessor(&Owner::rocksdb, member), ByteSizeType{minimum, GiB(64)}, doc));
  };
  add("rocksdb_write_buffer_size", &RocksdbConfig::write_buffer_size, MiB(1),
      "engine rocksdb: records gathered in memory before they become a table file. Up to four such "
      "buffers exist at once; appends are refused when the disk has less room than one.");
  add("rocksdb_max_wal_size", &RocksdbConfig::max_wal_size, MiB(4),
      "engine rocksdb: about how large RocksDB's own log may grow, which an opening after a crash "
      "reads again.");
  add("rocksdb_block_cache_size", &RocksdbConfig::block_cache_size, KiB(64),
      "engine rocksdb: memory for blocks of table files that readers read.");
  add("rocksdb_reclaim_size", &RocksdbConfig::reclaim_size, MiB(1),
      "engine rocksdb: space is taken back once this much was marked deleted, and at least a "
      "quarter of the stored bytes; an eighth is enough some seconds after the last mark.");
  add("rocksdb_reserve_size", &RocksdbConfig::reserve_size, {0},
      "engine rocksdb: kept free on the disk by a file, so that records can be marked deleted when "
      "it is full. 0: no reserve.");
}

std::vector<Field<NamespaceConfig>> MakeNamespaceFields() {
  using Owner = NamespaceConfig;
  std::vector<Field<Owner>> fields;
  fields.push_back(
      Required(One<Owner>("id", Accessor(&Owner::id), IntegerType<NamespaceId>{1, 255},
                          "The number by which requests name the namespace. Stored with the data: "
                          "never give it to another namespace.")));
  fields.push_back(
      Required(One<Owner>("name", Accessor(&Owner::name), NameType{},
                          "The namespace's name, which is also its directory below data_dir.")));
  fields.push_back(One<Owner>(
      "engine", Accessor(&Owner::engine),
      ChoiceType<EngineKind>{
          {{"segment", EngineKind::kSegment}, {"rocksdb", EngineKind::kRocksdb}}},
      "The engine that stores the namespace. segment: files on the local disk, made for logs. "
      "rocksdb: one RocksDB on "
      "the local disk, whose directory HoraeDB 2.1 can have written. A directory that holds data "
      "is "
      "moved from one to the other by `walden migrate`."));
  AddRegionSettings(fields);
  fields.push_back(Reloads(One<Owner>(
      "disk_quota", Accessor(&Owner::disk_quota), ByteSizeType{{0}, GiB(1 << 20)},
      "Bytes of disk that the namespace's records may take: of all segments together, or "
      "of RocksDB's files. Past it appends are refused with RESOURCE_EXHAUSTED until "
      "records are marked deleted. At least twice segment_size. 0: no quota.")));
  AddRegionBounds(fields, "region_disk_quota");
  fields.push_back(
      One<Owner>("spare_segments", Accessor(&Owner::spare_segments), IntegerType<uint32_t>{0, 16},
                 "engine segment: files of segment_size that are kept prepared for the namespace, "
                 "so that appends do not wait "
                 "for a new file."));
  AddRocksdbFields(fields);
  return fields;
}

std::vector<Field<RegionConfig>> MakeRegionFields() {
  using Owner = RegionConfig;
  std::vector<Field<Owner>> fields;
  fields.push_back(
      Required(One<Owner>("id", Accessor(&Owner::id), IntegerType<RegionId>{0, UINT64_MAX},
                          "The region that has settings of its own.")));
  AddRegionSettings(fields);
  AddRegionBounds(fields, "disk_quota");
  return fields;
}

}  // namespace

const std::vector<Field<NamespaceConfig>>& NamespaceFields() {
  static const auto& fields = *new std::vector<Field<NamespaceConfig>>(MakeNamespaceFields());
  return fields;
}

const std::vector<Field<RegionConfig>>& RegionFields() {
  static const auto& fields = *new std::vector<Field<RegionConfig>>(MakeRegionFields());
  return fields;
}

}  // namespace walden
