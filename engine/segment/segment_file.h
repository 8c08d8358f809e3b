// One segment file as readers see it: mapped when somebody reads, not before, so that a log of
// thousands of segments holds no descriptors and no mappings while nobody does. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"

namespace walden::segment {

class SegmentFile {
 public:
  // `shown_path` is relative to the data directory, for reports.
  SegmentFile(FileSystem* file_system, uint64_t id, std::string path, std::string shown_path,
              uint64_t size)
      : file_system_(file_system),
        id_(id),
        path_(std::move(path)),
        shown_path_(std::move(shown_path)),
        size_(size) {}

  uint64_t id() const { return id_; }
  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  const std::string& shown_path() const { return shown_path_; }

  // The mapping lives as long as somebody holds it. NOT_FOUND once the file was deleted.
  absl::StatusOr<std::shared_ptr<const Mapping>> Map() const;

 private:
  FileSystem* const file_system_;
  const uint64_t id_;
  const std::string path_;
  const std::string shown_path_;
  const uint64_t size_;
  mutable absl::Mutex mutex_;
  mutable std::weak_ptr<const Mapping> mapping_ ABSL_GUARDED_BY(mutex_);
};

// "seg_12", and back; false for any other name.
std::string SegmentFileName(uint64_t id);
bool ParseSegmentFileName(absl::string_view name, uint64_t* id);

}  // namespace walden::segment
