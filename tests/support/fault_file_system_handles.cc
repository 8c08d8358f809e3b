// Open files and mappings of FaultFileSystem.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/fault_file_system_node.h"

namespace walden::testing {
namespace {

// How much of a write happens before it is cut short: up to the end of a sector, nothing, or all.
size_t CutShort(uint64_t offset, size_t size, Random& random) {
  if (random.Percent(25)) return size;
  const uint64_t part = random.Below(size + 1);
  const uint64_t boundary = (offset + part) / kSectorBytes * kSectorBytes;
  return boundary > offset ? boundary - offset : 0;
}

}  // namespace

class FaultFileSystem::OpenedFile final : public File {
 public:
  OpenedFile(FaultFileSystem* disk, NodePtr node, std::string path, OpenMode mode, uint64_t process)
      : disk_(disk),
        node_(std::move(node)),
        path_(std::move(path)),
        mode_(mode),
        process_(process) {}

  ~OpenedFile() override { (void)Close(); }

  const std::string& path() const override { return path_; }

  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckAlive(file_op::kRead); !status.ok()) return status;
    return node_->file.size();
  }

  uint32_t WriteAlignment() const override {
    absl::MutexLock lock(&disk_->mu_);
    return disk_->write_alignment_;
  }

  absl::Status Allocate(uint64_t size) override {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckWritable(file_op::kAllocate); !status.ok()) return status;
    const uint64_t old_size = node_->file.size();
    absl::Status status = disk_->Begin(file_op::kAllocate, path_, [&](Random& random) {
      if (size > old_size) node_->file.Grow(random.Between(old_size, size));
    });
    if (status.ok()) status = disk_->CheckRoom(*node_, size, path_);
    if (status.ok()) node_->file.Grow(size);
    return status;
  }

  absl::Status Write(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
    disk_->Meanwhile();
    absl::Status status = WriteNow(offset, pieces);
    disk_->Meanwhile();
    return status;
  }

  absl::Status WriteNow(uint64_t offset, absl::Span<const absl::string_view> pieces) {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckWritable(file_op::kWrite); !status.ok()) return status;
    std::string bytes;
    for (absl::string_view piece : pieces) absl::StrAppend(&bytes, piece);
    if (disk_->on_write_) disk_->on_write_(path_, offset, bytes.size());
    if (disk_->trace_) {
      disk_->trace_(absl::StrCat("    ", bytes.size(), " bytes at ", offset, ":"));
    }
    absl::Status status = disk_->Begin(file_op::kWrite, path_, [&](Random& random) {
      node_->file.Write(offset,
                        absl::string_view(bytes).substr(0, CutShort(offset, bytes.size(), random)));
    });
    if (status.ok()) status = disk_->CheckRoom(*node_, offset + bytes.size(), path_);
    if (!status.ok()) return status;
    node_->file.Write(offset, bytes);
    node_->last_written = disk_->now_;
    if (disk_->random_.Percent(disk_->write_back_percent_)) {
      node_->file.WriteBackSome(disk_->random_);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const override {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckAlive(file_op::kRead); !status.ok()) return status;
    if (absl::Status status = disk_->Begin(file_op::kRead, path_); !status.ok()) return status;
    const uint64_t size = node_->file.size();
    const size_t part = offset >= size ? 0 : std::min<uint64_t>(out.size(), size - offset);
    absl::Status status = disk_->CheckReadable(*node_, path_, offset, part);
    if (!status.ok()) return status;
    if (mode_ == OpenMode::kReadFromMedium) {
      node_->file.ReadMedium(offset, out.first(part));
    } else {
      node_->file.Read(offset, out.first(part));
    }
    return part;
  }

  absl::Status SyncData() override {
    disk_->Meanwhile();
    absl::Status status = SyncNow();
    disk_->Meanwhile();
    return status;
  }

  absl::Status SyncNow() {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckAlive(file_op::kSync); !status.ok()) return status;
    absl::Status status = disk_->Begin(file_op::kSync, path_, [&](Random& random) {
      // A crash inside the call: some sectors are on the medium. A failing call: the others are
      // lost.
      if (disk_->IsCrashing()) {
        node_->file.WriteBackSome(random);
      } else {
        node_->file.FailSync(random);
      }
    });
    if (status.ok()) node_->file.Sync();
    return status;
  }

  absl::StatusOr<std::unique_ptr<Mapping>> Map() override;

  absl::Status CheckInPlace(const std::string& path, uint64_t size) const override {
    absl::MutexLock lock(&disk_->mu_);
    if (absl::Status status = CheckAlive(file_op::kRead); !status.ok()) return status;
    if (disk_->Find(path) == node_ && node_->file.size() >= size) return absl::OkStatus();
    return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                     absl::StrCat(path, " was cut, removed or replaced while it was open"),
                     {{"file", path}, {"offset", "0"}});
  }

  absl::Status Close() override {
    absl::MutexLock lock(&disk_->mu_);
    if (node_ == nullptr) return absl::OkStatus();
    --node_->handles;
    node_ = nullptr;
    return absl::OkStatus();
  }

 private:
  absl::Status CheckAlive(FileOps operation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu_) {
    if (node_ == nullptr || process_ != disk_->process_) {
      return FileError(EBADF, FileOpName(operation), path_);
    }
    return absl::OkStatus();
  }

  absl::Status CheckWritable(FileOps operation) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk_->mu_) {
    if (mode_ != OpenMode::kReadWrite) return FileError(EBADF, FileOpName(operation), path_);
    return CheckAlive(operation);
  }

  FaultFileSystem* const disk_;
  NodePtr node_ ABSL_GUARDED_BY(disk_->mu_);  // null once closed
  const std::string path_;
  const OpenMode mode_;
  const uint64_t process_;
};

class FaultFileSystem::OpenedMapping final : public Mapping {
 public:
  OpenedMapping(FaultFileSystem* disk, NodePtr node, std::string path, uint64_t size,
                uint64_t process)
      : disk_(disk),
        node_(std::move(node)),
        path_(std::move(path)),
        size_(size),
        process_(process) {}

  ~OpenedMapping() override {
    absl::MutexLock lock(&disk_->mu_);
    --node_->handles;
  }

  uint64_t size() const override { return size_; }

  absl::Status Copy(uint64_t offset, absl::Span<char> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return MakeError(absl::StatusCode::kOutOfRange, ErrorReason::kIoError,
                       absl::StrCat("copy of ", out.size(), " bytes at ", offset, " of ", path_,
                                    ", which has ", size_));
    }
    absl::MutexLock lock(&disk_->mu_);
    if (process_ != disk_->process_) return FileError(EBADF, "read of mapping", path_);
    if (absl::Status status = disk_->Begin(file_op::kRead, path_); !status.ok()) return status;
    absl::Status status = disk_->CheckReadable(*node_, path_, offset, out.size());
    if (!status.ok()) return status;
    // A page past the end of a file that was cut short.
    if (offset + out.size() > node_->file.size()) return FileError(EIO, "read of mapping", path_);
    node_->file.Read(offset, out);
    return absl::OkStatus();
  }

  void Release(uint64_t, uint64_t) const override {}

 private:
  FaultFileSystem* const disk_;
  const NodePtr node_;
  const std::string path_;
  const uint64_t size_;
  const uint64_t process_;
};

absl::StatusOr<std::unique_ptr<Mapping>> FaultFileSystem::OpenedFile::Map() {
  absl::MutexLock lock(&disk_->mu_);
  if (absl::Status status = CheckAlive(file_op::kMap); !status.ok()) return status;
  if (absl::Status status = disk_->Begin(file_op::kMap, path_); !status.ok()) return status;
  ++node_->handles;
  return std::unique_ptr<Mapping>(
      std::make_unique<OpenedMapping>(disk_, node_, path_, node_->file.size(), disk_->process_));
}

absl::StatusOr<std::unique_ptr<File>> FaultFileSystem::NewHandle(NodePtr node,
                                                                 const std::string& path,
                                                                 OpenMode mode) {
  // The cache may have dropped what a failed sync left in it.
  if (node->handles == 0 && random_.Percent(50)) node->file.EvictLost();
  ++node->handles;
  opened_.erase(std::remove_if(opened_.begin(), opened_.end(),
                               [](const auto& opened) { return opened.expired(); }),
                opened_.end());
  opened_.push_back(node);
  return std::unique_ptr<File>(
      std::make_unique<OpenedFile>(this, std::move(node), path, mode, process_));
}

}  // namespace walden::testing
