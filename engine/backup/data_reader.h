// Reads the records of a data file one after the other. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/log_engine.h"
#include "engine/segment/file_window.h"

namespace walden::backup {

// The outcome of a read at a position: exactly one of these, or an I/O error.
enum class DataOutcome {
  kRecord,
  kEnd,      // nothing was written here, or the end was reached
  kInvalid,  // neither: cut by a crash, or damaged
};

class DataReader {
 public:
  // Treats bytes from `end` on as if the file ended there.
  static absl::StatusOr<std::unique_ptr<DataReader>> Open(
      FileSystem* files, const std::string& path, uint64_t end,
      FileSystem::OpenMode mode = FileSystem::OpenMode::kReadOnly);

  // Whether the file begins with the magic number of a data file.
  absl::StatusOr<bool> HasMagic();

  // Reads the record at `offset`. Its payload is valid until the next call.
  absl::StatusOr<DataOutcome> ReadAt(uint64_t offset, RecordView* record);

  // Whether only zero bytes, or nothing, follow from `offset` on: they were never written.
  absl::StatusOr<bool> NeverWrittenFrom(uint64_t offset);

  // After kRecord: the record's bytes in the file.
  absl::string_view encoded() const { return encoded_; }
  // After kInvalid: why there is no record.
  const char* reason() const { return reason_; }

  uint64_t size() const { return size_; }  // of the file, whatever `end` is
  const std::string& path() const { return file_->path(); }

 private:
  DataReader(std::unique_ptr<File> file, uint64_t size, uint64_t end)
      : file_(std::move(file)), size_(size), window_(*file_, end) {}

  const std::unique_ptr<File> file_;
  const uint64_t size_;
  segment::FileWindow window_;
  absl::string_view encoded_;
  const char* reason_ = "";
};

}  // namespace walden::backup
