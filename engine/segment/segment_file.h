// One segment file as readers see it. The file is open only while somebody reads it, so an idle log
// of thousands of segments holds no descriptors and no mappings. Any thread.
//
// Long stretches are read through a shared mapping. Short ones, which lie scattered when many
// tables share a region, are read by a call: a page fault and its undoing cost several times as
// much (docs/decisions/0004-reading.md). On file systems without mappings all reads are calls.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "engine/io/file_system.h"
#include "engine/segment/segment_header.h"

namespace walden::segment {

// An open segment file. Any thread.
class OpenSegment {
 public:
  OpenSegment(std::unique_ptr<File> file, uint64_t size) : file_(std::move(file)), size_(size) {}

  // Fills `out` from `offset`. OUT_OF_RANGE if the file ends before that, which is damage: callers ask
  // only for bytes that were written.
  absl::Status Read(uint64_t offset, absl::Span<char> out) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Hints that [begin, end) will not be read again soon.
  void Release(uint64_t begin, uint64_t end) const ABSL_LOCKS_EXCLUDED(mutex_);

  uint64_t size() const { return size_; }

 private:
  // Null if the file cannot be mapped.
  std::shared_ptr<const Mapping> Map() const ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<File> file_;
  const uint64_t size_;
  mutable absl::Mutex mutex_;
  // Made by the first long read; never changes afterwards.
  mutable std::shared_ptr<const Mapping> mapping_ ABSL_GUARDED_BY(mutex_);
  mutable bool cannot_be_mapped_ ABSL_GUARDED_BY(mutex_) = false;
};

class SegmentFile {
 public:
  // `shown_path` is relative to the data directory, for reports.
  SegmentFile(FileSystem* file_system, const SegmentHeader& header, std::string path,
              std::string shown_path)
      : file_system_(file_system),
        header_(header),
        path_(std::move(path)),
        shown_path_(std::move(shown_path)) {}

  uint64_t id() const { return header_.segment; }
  uint64_t size() const { return header_.bytes; }
  // The header in the metadata; its alignment is 0 for a segment of version 1.
  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  const std::string& shown_path() const { return shown_path_; }

  // Opens the file, which stays open as long as somebody holds the result. NOT_FOUND once the file
  // was deleted; DATA_LOSS if another segment's file has its name, for example after the region was
  // dropped and made again.
  absl::StatusOr<std::shared_ptr<const OpenSegment>> Open() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status CheckHeader(const File& file) const;

  FileSystem* const file_system_;
  const SegmentHeader header_;
  const std::string path_;
  const std::string shown_path_;
  mutable absl::Mutex mutex_;
  mutable std::weak_ptr<const OpenSegment> open_ ABSL_GUARDED_BY(mutex_);
};

// The name of a segment's file, "seg_12", and the id in such a name; false for any other name.
std::string SegmentFileName(uint64_t id);
bool ParseSegmentFileName(absl::string_view name, uint64_t* id);

}  // namespace walden::segment
