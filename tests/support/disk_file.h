// The contents of one file on a disk that can lose power: the bytes that programs see, and those on
// the medium.
//
// Contents are kept in chunks, and a chunk of zeros takes no memory. Durability is tracked in
// sectors of 512 bytes, the unit that a disk writes whole or not at all.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "tests/support/random.h"

namespace walden::testing {

inline constexpr uint64_t kSectorBytes = 512;

// Decides which unsynced sectors and directory operations survive a power cut.
enum class PowerLoss {
  kRandom,   // each sector on its own is new or old
  kPrefix,   // the sectors written first are new, the rest is old
  kNothing,  // all are old
  kAll,      // all are new
};

// One thread at a time.
class DiskFile {
 public:
  uint64_t size() const { return size_; }
  bool HasUnsynced() const { return !unsynced_.empty() || size_ != durable_size_; }

  // Takes over the other file's contents, all of them durable.
  void CopyFrom(const DiskFile& other);

  // --- What programs do ---

  void Grow(uint64_t size);
  void Write(uint64_t offset, absl::string_view bytes);  // grows the file if needed
  void Read(uint64_t offset, absl::Span<char> out) const;
  void Sync();

  // --- What goes wrong ---

  // Fails a sync. As on Linux, some sectors reach the medium and the others are marked clean:
  // programs see them until the cache drops them, and no later sync writes them.
  void FailSync(Random& random);

  // Drops the sectors that FailSync left in the cache: programs see the medium's old bytes.
  void EvictLost();

  // Writes some sectors back, as the kernel does on its own.
  void WriteBackSome(Random& random);

  void LosePower(PowerLoss loss, Random& random);

  // Changes a byte on the medium and in the cache, without any trace.
  void Damage(uint64_t offset, char new_value);

  // As Damage, with zeros over [offset, offset + length).
  void Zero(uint64_t offset, uint64_t length);

  // Changes a byte on the medium only: programs see the cache's until it is dropped.
  void DamageUnderCache(uint64_t offset, char new_value) { under_cache_[offset] = new_value; }

  // Drops all clean sectors from the cache, so that programs see the medium's bytes.
  void DropCache();

  // Reads the medium: as Read, with the damage that the cache hides.
  void ReadMedium(uint64_t offset, absl::Span<char> out) const;

  // Cuts the file, on the medium too.
  void Shrink(uint64_t size);

 private:
  static constexpr uint64_t kChunkBytes = 4096;
  using Chunk = std::array<char, kChunkBytes>;

  struct OldSector {
    std::array<char, kSectorBytes> bytes;
    uint64_t written = 0;  // order of the last write to it, over the whole file
  };
  using OldSectors = std::map<uint64_t, OldSector>;  // by sector number

  void ReadRaw(uint64_t offset, absl::Span<char> out) const;
  void WriteRaw(uint64_t offset, absl::string_view bytes);
  void WriteInSector(uint64_t sector, uint64_t offset, absl::string_view bytes);
  void Restore(const OldSectors::value_type& old);
  uint64_t SizeAfterPowerLoss(PowerLoss loss, Random& random) const;

  absl::flat_hash_map<uint64_t, std::unique_ptr<Chunk>> chunks_;
  uint64_t size_ = 0;
  uint64_t durable_size_ = 0;
  uint64_t writes_ = 0;
  OldSectors unsynced_;  // the medium's bytes of sectors that differ from what programs see
  std::map<uint64_t, char> under_cache_;  // by offset
  OldSectors lost_;                       // the same, of sectors that a failed sync marked clean
};

}  // namespace walden::testing
