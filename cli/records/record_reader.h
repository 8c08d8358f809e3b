// Cuts input into records: one per line, or each behind its length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace walden::cli {

enum class Framing {
  // Each line is a record without its newline. An empty line is an empty record, a carriage return
  // is part of the record, and a last line without a newline is a record too.
  kLines,
  // A u32 big-endian length, then that many bytes. Input that ends inside a record is an error.
  kLengthDelimited,
};

// One thread at a time.
class RecordReader {
 public:
  struct Options {
    Framing framing = Framing::kLines;
    std::string name;                       // of the input, for error messages
    uint64_t max_record_bytes = 64u << 20;  // a longer record is an error
    int interrupt_fd = -1;                  // readable = stop waiting for input
  };

  // `fd` stays the caller's.
  RecordReader(int fd, Options options);
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  // The next record, valid until the next call of this object; nullopt at the end of the input.
  // Errors: INVALID_ARGUMENT (BAD_INPUT) with the offset for a record that is too long or cut off,
  // FILE for a failed read, INTERRUPTED.
  absl::StatusOr<std::optional<absl::string_view>> Next();

  // Whether Next() would answer without waiting for more input.
  bool Ready();

  // Bytes of input taken so far.
  uint64_t offset() const { return consumed_; }

 private:
  struct Found {
    size_t begin;  // of the payload, in buffer_
    size_t size;
    size_t next;  // where the following record begins
  };

  absl::StatusOr<std::optional<Found>> FindRecord();
  std::optional<Found> FindLine();
  absl::StatusOr<std::optional<Found>> FindLengthDelimited();
  absl::Status Fill();
  absl::Status TooLong(uint64_t size) const;

  static constexpr size_t kReadBytes = 256 * 1024;

  const int fd_;
  const Options options_;
  std::string buffer_;
  size_t begin_ = 0;    // of the first record that was not handed out
  size_t scanned_ = 0;  // no newline in [begin_, scanned_)
  bool at_end_ = false;
  uint64_t consumed_ = 0;
};

}  // namespace walden::cli
