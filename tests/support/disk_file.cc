#include "tests/support/disk_file.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace walden::testing {
namespace {

bool IsZero(absl::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

void DiskFile::CopyFrom(const DiskFile& other) {
  chunks_.clear();
  for (const auto& [number, chunk] : other.chunks_) {
    chunks_[number] = std::make_unique<Chunk>(*chunk);
  }
  size_ = other.size_;
  durable_size_ = other.size_;
  unsynced_.clear();
  lost_.clear();
}

void DiskFile::Grow(uint64_t size) { size_ = std::max(size_, size); }

void DiskFile::Read(uint64_t offset, absl::Span<char> out) const { ReadRaw(offset, out); }

void DiskFile::ReadRaw(uint64_t offset, absl::Span<char> out) const {
  while (!out.empty()) {
    const uint64_t within = offset % kChunkBytes;
    const size_t part = std::min<uint64_t>(out.size(), kChunkBytes - within);
    const auto chunk = chunks_.find(offset / kChunkBytes);
    if (chunk == chunks_.end()) {
      std::memset(out.data(), 0, part);
    } else {
      std::memcpy(out.data(), chunk->second->data() + within, part);
    }
    offset += part;
    out.remove_prefix(part);
  }
}

void DiskFile::WriteRaw(uint64_t offset, absl::string_view bytes) {
  while (!bytes.empty()) {
    const uint64_t within = offset % kChunkBytes;
    const size_t part = std::min<uint64_t>(bytes.size(), kChunkBytes - within);
    const absl::string_view piece = bytes.substr(0, part);
    auto chunk = chunks_.find(offset / kChunkBytes);
    if (chunk == chunks_.end() && !IsZero(piece)) {
      chunk = chunks_.emplace(offset / kChunkBytes, std::make_unique<Chunk>()).first;
      chunk->second->fill(0);
    }
    if (chunk != chunks_.end()) {
      std::memcpy(chunk->second->data() + within, piece.data(), part);
    }
    offset += part;
    bytes.remove_prefix(part);
  }
}

void DiskFile::Write(uint64_t offset, absl::string_view bytes) {
  Grow(offset + bytes.size());
  while (!bytes.empty()) {
    const size_t part = std::min<uint64_t>(bytes.size(), kSectorBytes - offset % kSectorBytes);
    WriteInSector(offset / kSectorBytes, offset, bytes.substr(0, part));
    offset += part;
    bytes.remove_prefix(part);
  }
}

void DiskFile::WriteInSector(uint64_t sector, uint64_t offset, absl::string_view bytes) {
  under_cache_.erase(under_cache_.lower_bound(sector * kSectorBytes),
                     under_cache_.lower_bound((sector + 1) * kSectorBytes));
  if (const auto lost = lost_.find(sector); lost != lost_.end()) {
    unsynced_[sector] = lost->second;
    lost_.erase(lost);
  }
  auto old = unsynced_.find(sector);
  if (old == unsynced_.end()) {
    char current[kSectorBytes];
    ReadRaw(offset, absl::MakeSpan(current, bytes.size()));
    if (std::memcmp(current, bytes.data(), bytes.size()) == 0) return;  // old and new are the same
    old = unsynced_.emplace(sector, OldSector{}).first;
    ReadRaw(sector * kSectorBytes, absl::MakeSpan(old->second.bytes));
  }
  old->second.written = ++writes_;
  WriteRaw(offset, bytes);
}

void DiskFile::Sync() {
  unsynced_.clear();
  durable_size_ = size_;
}

void DiskFile::FailSync(Random& random) {
  for (auto& entry : unsynced_) {
    if (random.Percent(50)) lost_.insert(entry);
  }
  unsynced_.clear();
}

void DiskFile::Restore(const OldSectors::value_type& old) {
  WriteRaw(old.first * kSectorBytes, absl::string_view(old.second.bytes.data(), kSectorBytes));
}

void DiskFile::EvictLost() {
  for (const auto& old : lost_) Restore(old);
  lost_.clear();
}

void DiskFile::DropCache() {
  for (const auto& [offset, value] : under_cache_) Damage(offset, value);
  under_cache_.clear();
}

void DiskFile::ReadMedium(uint64_t offset, absl::Span<char> out) const {
  Read(offset, out);
  for (auto it = under_cache_.lower_bound(offset);
       it != under_cache_.end() && it->first < offset + out.size(); ++it) {
    out[it->first - offset] = it->second;
  }
}

void DiskFile::WriteBackSome(Random& random) {
  for (auto it = unsynced_.begin(); it != unsynced_.end();) {
    it = random.Percent(50) ? unsynced_.erase(it) : std::next(it);
  }
}

uint64_t DiskFile::SizeAfterPowerLoss(PowerLoss loss, Random& random) const {
  if (loss == PowerLoss::kNothing || size_ <= durable_size_) return durable_size_;
  if (loss == PowerLoss::kAll) return size_;
  switch (random.Below(3)) {
    case 0:
      return durable_size_;
    case 1:
      return size_;
    default:
      return random.Between(durable_size_, size_);
  }
}

void DiskFile::LosePower(PowerLoss loss, Random& random) {
  EvictLost();
  DropCache();
  uint64_t last_kept_write = 0;  // of kPrefix
  if (loss == PowerLoss::kPrefix && !unsynced_.empty()) {
    std::vector<uint64_t> order;
    for (const auto& [sector, old] : unsynced_) order.push_back(old.written);
    last_kept_write = order[random.Below(order.size())] - random.Below(2);
  }
  for (const auto& old : unsynced_) {
    const bool keeps_new = loss == PowerLoss::kAll ||
                           (loss == PowerLoss::kRandom && random.Percent(50)) ||
                           (loss == PowerLoss::kPrefix && old.second.written <= last_kept_write);
    if (!keeps_new) Restore(old);
  }
  unsynced_.clear();
  Shrink(SizeAfterPowerLoss(loss, random));
}

void DiskFile::Damage(uint64_t offset, char new_value) {
  WriteRaw(offset, absl::string_view(&new_value, 1));
  for (OldSectors* olds : {&unsynced_, &lost_}) {
    const auto old = olds->find(offset / kSectorBytes);
    if (old != olds->end()) old->second.bytes[offset % kSectorBytes] = new_value;
  }
}

void DiskFile::Zero(uint64_t offset, uint64_t length) {
  WriteRaw(offset, std::string(length, '\0'));
  for (OldSectors* olds : {&unsynced_, &lost_}) {
    for (auto& [sector, old] : *olds) {
      const uint64_t sector_begin = sector * kSectorBytes;
      const uint64_t begin = std::max(offset, sector_begin);
      const uint64_t end = std::min(offset + length, sector_begin + kSectorBytes);
      if (begin < end) std::memset(old.bytes.data() + (begin - sector_begin), 0, end - begin);
    }
  }
}

void DiskFile::Shrink(uint64_t size) {
  if (size < size_) {
    // What lies past the end reads as zeros if the file grows again.
    const uint64_t chunk_end = (size / kChunkBytes + 1) * kChunkBytes;
    WriteRaw(size, std::string(std::min(chunk_end, size_) - size, '\0'));
    for (auto it = chunks_.begin(); it != chunks_.end();) {
      const auto current = it++;
      if (current->first * kChunkBytes >= size) chunks_.erase(current);
    }
    for (OldSectors* olds : {&unsynced_, &lost_}) {
      olds->erase(olds->lower_bound((size + kSectorBytes - 1) / kSectorBytes), olds->end());
    }
  }
  size_ = size;
  durable_size_ = size;
}

}  // namespace walden::testing
