// Reads one segment file of HoraeDB's local log front to back (FORMAT.md). One thread. Changes
// nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/io/file_system.h"
#include "engine/types.h"

namespace walden::segment {
class FileWindow;
}  // namespace walden::segment

namespace walden::horaedb {

struct WalItem {
  enum class Kind {
    kRecord,
    kEnd,     // nothing but never written bytes follow
    kDamage,  // bytes [offset, offset + length) are no record; call again for the next item
  };
  Kind kind = Kind::kEnd;
  uint64_t offset = 0;
  uint64_t length = 0;

  // kRecord
  TableId table = 0;
  SequenceNumber sequence = 0;
  absl::string_view payload;  // valid until the next call

  const char* reason = "";  // kDamage
};

class WalReader {
 public:
  // NOT_FOUND, UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<WalReader>> Open(FileSystem* files,
                                                         const std::string& path);
  ~WalReader();

  uint64_t file_bytes() const { return size_; }

  // The next item, exactly one of the kinds, or UNAVAILABLE on an I/O error.
  absl::StatusOr<WalItem> Next();

 private:
  WalReader(std::unique_ptr<File> file, uint64_t size);

  struct Parsed {
    bool valid = false;
    WalItem item;
    const char* reason = "";
  };
  absl::StatusOr<WalItem> BadMagic();
  absl::StatusOr<Parsed> ParseAt(uint64_t offset);
  // Offset of the next valid record from `from` on; the file's size if there is none.
  absl::StatusOr<uint64_t> FindRecord(uint64_t from);
  // One past the last byte from `begin` on that is not zero; `begin` if there is none.
  absl::StatusOr<uint64_t> LastNonZero(uint64_t begin);

  const std::unique_ptr<File> file_;
  const uint64_t size_;
  const std::unique_ptr<segment::FileWindow> window_;
  uint64_t position_ = 0;
};

}  // namespace walden::horaedb
