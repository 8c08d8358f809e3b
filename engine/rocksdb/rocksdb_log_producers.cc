// Producers that the region remembers. Their keys are written together with their batches
// (FORMAT.md: Producers).
#include <algorithm>
#include <utility>

#include "engine/rocksdb/keys/key_codec.h"
#include "engine/rocksdb/keys/producer_keys.h"
#include "engine/rocksdb/keys/table_seek.h"
#include "engine/rocksdb/rocksdb_log.h"

namespace walden::rocks {
namespace {

// The key that says that the id was issued.
Entry IssuedEntry(RegionId region, uint64_t id, uint64_t order) {
  return ProducerBatchEntry(
      {.region = region, .producer = id, .sequence = 0, .order = order, .parts = {}});
}

}  // namespace

Entry StoredBatch(RegionId region, const ProducerBatch& batch) {
  return ProducerBatchEntry({.region = region,
                             .producer = batch.id,
                             .sequence = batch.sequence,
                             .order = batch.order,
                             .parts = batch.tables});
}

void RocksdbLog::OpenProducer(std::optional<uint64_t> region_version, DoneWith<uint64_t> done) {
  operations_.Add<absl::StatusOr<uint64_t>>(
      [this, region_version] { return OpenProducerNow(region_version); }, std::move(done));
}

absl::StatusOr<uint64_t> RocksdbLog::OpenProducerNow(std::optional<uint64_t> region_version) {
  absl::Status status = ReadyForWrites(0);
  if (status.ok()) status = space_->database.CheckQuota();
  if (status.ok()) status = space_->database.CheckRoom(0);
  BeginGroup();
  if (status.ok()) status = Fence(region_version);
  if (!status.ok()) return status;
  const uint64_t id = producers_.NextId(space_->database.environment().wall_clock->UnixMicros());
  const Entry issued_through = ProducersIssuedEntry({.region = region_, .through = id});
  const Entry issued = IssuedEntry(region_, id, producer_order_ + 1);
  if (producers_.size() == 0) {
    // Keys of type 4 have ids that clients chose, in older versions of Walden. They are not
    // remembered.
    status = space_->database.With([&](rocksdb::DB& db) {
      return DeleteKeys(db, MetaBegin(KeyType::kProducer, region_),
                        MetaEnd(KeyType::kProducer, region_), space_->database.shown_directory(),
                        batch_);
    });
    if (!status.ok()) return status;
  }
  batch_.Put(issued_through.key, issued_through.value);
  batch_.Put(issued.key, issued.value);
  const std::optional<uint64_t> forgotten = producers_.NextToForget();
  if (forgotten) {
    // Also batches that are no longer in the producer's window.
    status = space_->database.With([&](rocksdb::DB& db) {
      return DeleteKeys(db, MetaBegin(KeyType::kProducerBatch, region_, *forgotten),
                        MetaEnd(KeyType::kProducerBatch, region_, *forgotten),
                        space_->database.shown_directory(), batch_);
    });
    if (!status.ok()) return status;
  }
  status = WriteStaged(/*sync=*/true);
  if (!status.ok()) return status;
  if (forgotten) producers_.Forget(*forgotten);
  producers_.Issue(id, ++producer_order_);
  return id;
}

void RocksdbLog::Remember(const AppendBatch& sent) {
  const ProducerBatch batch = RememberedBatch(sent, ++producer_order_);
  const Entry entry = StoredBatch(region_, batch);
  batch_.Put(entry.key, entry.value);
  for (const ProducerBatch& past : producers_.Add(batch)) {
    batch_.Delete(StoredBatch(region_, past).key);
  }
}

absl::Status RocksdbLog::LoadProducers(rocksdb::DB& db) {
  const std::string& shown = space_->database.shown_directory();
  producers_ = ProducerTable();
  producers_in_doubt_ = true;
  producer_order_ = 0;
  const auto each = [&](KeyType type, auto take) {
    return ForEachKey(db, MetaBegin(type, region_), MetaEnd(type, region_), shown, take);
  };
  absl::Status status = each(KeyType::kProducerIssued, [&](auto key, auto value) {
    const auto issued = DecodeProducersIssued(key, value);
    if (issued) producers_.RaiseIssuedThrough(issued->through);
    return issued.has_value();
  });
  if (!status.ok()) return status;
  // Keys come ordered by id, then by sequence.
  status = each(KeyType::kProducerBatch, [&](auto key, auto value) {
    const auto stored = DecodeProducerBatch(key, value);
    if (!stored) return false;
    producer_order_ = std::max(producer_order_, stored->order);
    if (stored->sequence == 0) {
      producers_.Issue(stored->producer, stored->order);
      return true;
    }
    // Ignored without the key that says that the id was issued.
    producers_.Add({.id = stored->producer,
                    .sequence = stored->sequence,
                    .order = stored->order,
                    .tables = stored->parts});
    return true;
  });
  if (status.ok()) producers_in_doubt_ = false;
  return status;
}

}  // namespace walden::rocks
