// Stores producers' batches as keys (FORMAT.md: Producers).
#pragma once

#include "engine/common/producer_table.h"
#include "engine/log_engine.h"
#include "engine/rocksdb/keys/key_codec.h"
#include "engine/types.h"

namespace walden::rocks {

Entry StoredBatch(RegionId region, const ProducerBatch& batch);

}  // namespace walden::rocks
