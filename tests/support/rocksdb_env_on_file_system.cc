#include "tests/support/rocksdb_env_on_file_system.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "rocksdb/file_system.h"

namespace walden::testing {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus FromWalden(const absl::Status& status) {
  if (status.ok()) return IOStatus::OK();
  const std::string text(status.message());
  if (absl::IsNotFound(status)) return IOStatus::PathNotFound(text);
  if (HasReason(status, ErrorReason::kDiskFull)) return IOStatus::NoSpace(text);
  return IOStatus::IOError(text);
}

absl::StatusOr<Slice> ReadInto(const File& file, uint64_t offset, size_t n, char* scratch) {
  const absl::StatusOr<size_t> got = file.Read(offset, absl::MakeSpan(scratch, n));
  if (!got.ok()) return got.status();
  return Slice(scratch, *got);
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    const auto read = ReadInto(*file_, position_, n, scratch);
    if (!read.ok()) return FromWalden(read.status());
    *result = *read;
    position_ += read->size();
    return IOStatus::OK();
  }
  IOStatus Skip(uint64_t n) override {
    position_ += n;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  uint64_t position_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const auto read = ReadInto(*file_, offset, n, scratch);
    if (!read.ok()) return FromWalden(read.status());
    *result = *read;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<File> file, uint64_t size) : file_(std::move(file)), size_(size) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const absl::Status status = file_->Write(size_, {{data.data(), data.size()}});
    if (status.ok()) size_ += data.size();
    return FromWalden(status);
  }
  IOStatus Truncate(uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::OK();  // to what was appended, which is the file's size
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return FromWalden(file_->SyncData());
  }
  bool IsSyncThreadSafe() const override { return true; }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return FromWalden(file_->Close()); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  const std::unique_ptr<File> file_;
  uint64_t size_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(FileSystem* files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return FromWalden(files_->SyncDirectory(path_));
  }

 private:
  FileSystem* const files_;
  const std::string path_;
};

class Silent final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

class RocksdbFileSystem final : public rocksdb::FileSystem {
 public:
  explicit RocksdbFileSystem(walden::FileSystem* files) : files_(files) {}
  const char* Name() const override { return "WaldenFileSystem"; }

  IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    auto file = files_->OpenFile(name, walden::FileSystem::OpenMode::kReadOnly);
    if (file.ok()) *result = std::make_unique<SequentialFile>(*std::move(file));
    return FromWalden(file.status());
  }
  IOStatus NewRandomAccessFile(const std::string& name, const rocksdb::FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = files_->OpenFile(name, walden::FileSystem::OpenMode::kReadOnly);
    if (file.ok()) *result = std::make_unique<RandomAccessFile>(*std::move(file));
    return FromWalden(file.status());
  }
  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    const absl::Status removed = files_->RemoveFile(name);
    if (!removed.ok() && !absl::IsNotFound(removed)) return FromWalden(removed);
    auto file = files_->CreateFile(name);
    if (file.ok()) *result = std::make_unique<WritableFile>(*std::move(file), 0);
    return FromWalden(file.status());
  }
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext*) override {
    auto file = files_->OpenFile(name, walden::FileSystem::OpenMode::kReadWrite);
    if (!file.ok()) return FromWalden(file.status());
    const absl::StatusOr<uint64_t> size = (*file)->Size();
    if (size.ok()) *result = std::make_unique<WritableFile>(*std::move(file), *size);
    return FromWalden(size.status());
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    const auto names = files_->ListDirectory(name);
    if (names.ok()) *result = std::make_unique<Directory>(files_, name);
    return FromWalden(names.status());
  }
  IOStatus FileExists(const std::string& name, const IOOptions&, IODebugContext*) override {
    const auto file = files_->OpenFile(name, walden::FileSystem::OpenMode::kReadOnly);
    return absl::IsNotFound(file.status()) ? IOStatus::NotFound(name) : FromWalden(file.status());
  }
  IOStatus GetChildren(const std::string& directory, const IOOptions&,
                       std::vector<std::string>* result, IODebugContext*) override {
    auto names = files_->ListDirectory(directory);
    if (names.ok()) *result = *std::move(names);
    return FromWalden(names.status());
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
    return FromWalden(files_->RemoveFile(name));
  }
  IOStatus CreateDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return FromWalden(files_->CreateDirectory(name));
  }
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions&, IODebugContext*) override {
    return FromWalden(files_->CreateDirectory(name));
  }
  IOStatus DeleteDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return FromWalden(files_->RemoveDirectory(name));
  }
  IOStatus GetFileSize(const std::string& name, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    const auto file = files_->OpenFile(name, walden::FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) return FromWalden(file.status());
    const absl::StatusOr<uint64_t> found = (*file)->Size();
    if (found.ok()) *size = *found;
    return FromWalden(found.status());
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return FromWalden(files_->Rename(from, to));
  }
  IOStatus LockFile(const std::string&, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    *lock = new rocksdb::FileLock;
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    path->assign(1, '/');
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<Silent>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute,
                           IODebugContext*) override {
    *absolute = path;
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions&, uint64_t* free,
                        IODebugContext*) override {
    const absl::StatusOr<uint64_t> bytes = files_->FreeBytes(path);
    if (bytes.ok()) *free = *bytes;
    return FromWalden(bytes.status());
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    *is_directory = files_->ListDirectory(path).ok();
    return IOStatus::OK();
  }

 private:
  walden::FileSystem* const files_;
};

// After a failed flush or compaction RocksDB's threads sleep for a second, and closing the database
// waits for them.
class EnvOfShortSleeps final : public rocksdb::EnvWrapper {
 public:
  explicit EnvOfShortSleeps(const std::shared_ptr<rocksdb::FileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
  }

  const char* Name() const override { return "WaldenEnvOfShortSleeps"; }
  void SleepForMicroseconds(int micros) override {
    EnvWrapper::SleepForMicroseconds(std::min(micros, 1000));
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> MakeRocksdbEnv(FileSystem* files) {
  return std::make_unique<EnvOfShortSleeps>(std::make_shared<RocksdbFileSystem>(files));
}

}  // namespace walden::testing
