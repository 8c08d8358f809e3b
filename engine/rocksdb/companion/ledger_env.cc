#include "engine/rocksdb/companion/ledger_env.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "rocksdb/file_system.h"

namespace walden::rocks {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

constexpr absl::string_view kCurrentFileName = "CURRENT";

IOStatus FromWalden(const absl::Status& status) {
  return status.ok() ? IOStatus::OK() : IOStatus::IOError(std::string(status.message()));
}

// A log or a manifest that RocksDB writes.
class LedgerFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LedgerFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::string path, FileName name,
             std::shared_ptr<WatchedFile> watched, Ledger* ledger)
      : FSWritableFileOwnerWrapper(std::move(file)),
        path_(std::move(path)),
        name_(name),
        watched_(std::move(watched)),
        ledger_(ledger) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    return Written(data, [&] { return FSWritableFileOwnerWrapper::Append(data, options, debug); });
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo& info,
                  IODebugContext* debug) override {
    return Written(data,
                   [&] { return FSWritableFileOwnerWrapper::Append(data, options, info, debug); });
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, IODebugContext*) override {
    return IOStatus::NotSupported(path_, "is only appended to");
  }
  IOStatus PositionedAppend(const Slice&, uint64_t, const IOOptions&, const DataVerificationInfo&,
                            IODebugContext*) override {
    return IOStatus::NotSupported(path_, "is only appended to");
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return FSWritableFileOwnerWrapper::Sync(options, debug); });
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return FSWritableFileOwnerWrapper::Fsync(options, debug); });
  }

 private:
  template <typename Operation>
  IOStatus Written(const Slice& data, Operation operation) {
    if (failed()) return failure();
    if (name_.kind == FileKind::kLog) ledger_->LogWriting();
    IOStatus status = operation();
    if (!status.ok()) return Fail(std::move(status));
    watched_->Appended({data.data(), data.size()});
    return status;
  }

  template <typename Operation>
  IOStatus Synced(Operation operation) {
    if (failed()) return failure();
    const FilePrefix written = watched_->written();
    const absl::Status synced = watched_->RunSync([&operation] {
      const IOStatus done = operation();
      return done.ok() ? absl::OkStatus() : absl::UnavailableError(done.ToString());
    });
    if (!synced.ok()) {
      // It is unknown whether the earlier writes are durable, also when the disk was full.
      return Fail(
          IOStatus::IOError(absl::StrCat("syncing ", path_), std::string(synced.message())));
    }
    watched_->Synced(written);
    IOStatus status;
    if (name_.kind == FileKind::kManifest) {
      status = FromWalden(ledger_->ManifestSynced(name_.number, written));
    }
    return status.ok() ? status : Fail(std::move(status));
  }

  bool failed() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return !failure_.empty();
  }
  IOStatus failure() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return IOStatus::IOError(absl::StrCat(path_, " takes no more writes since a write failed"),
                             failure_);
  }
  IOStatus Fail(IOStatus status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (failure_.empty()) failure_ = status.ToString();
    return status;
  }

  const std::string path_;
  const FileName name_;
  const std::shared_ptr<WatchedFile> watched_;
  Ledger* const ledger_;
  mutable absl::Mutex mutex_;
  std::string failure_ ABSL_GUARDED_BY(mutex_);
};

// Stands in for a log that could not be created: RocksDB gets the error at its first write. If the
// creation returned the error, RocksDB would switch the same memtable twice, which it must not.
class MissingLog final : public rocksdb::FSWritableFile {
 public:
  explicit MissingLog(IOStatus cause) : cause_(std::move(cause)) {}

  using FSWritableFile::Append;
  IOStatus Append(const Slice&, const IOOptions&, IODebugContext*) override { return cause_; }
  IOStatus Truncate(uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return cause_; }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return 0; }

 private:
  const IOStatus cause_;
};

class LedgerDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  LedgerDirectory(std::unique_ptr<rocksdb::FSDirectory>&& directory, Ledger* ledger)
      : FSDirectoryWrapper(std::move(directory)), ledger_(ledger) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Synced([&] { return FSDirectoryWrapper::Fsync(options, debug); });
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* debug,
                               const rocksdb::DirFsyncOptions& reason) override {
    return Synced([&] { return FSDirectoryWrapper::FsyncWithDirOptions(options, debug, reason); });
  }

 private:
  template <typename Operation>
  IOStatus Synced(Operation operation) {
    const Ledger::Unsynced before = ledger_->BeforeDirectorySync();
    const IOStatus status = operation();
    if (status.ok()) return FromWalden(ledger_->DirectorySynced(before));
    return status.IsNoSpace() ? IOStatus::IOError("syncing the directory", status.ToString())
                              : status;
  }

  Ledger* const ledger_;
};

class LedgerFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  LedgerFileSystem(const std::shared_ptr<rocksdb::FileSystem>& base, std::string directory,
                   Ledger* ledger)
      : FileSystemWrapper(base), directory_(std::move(directory)), ledger_(ledger) {}

  static const char* kClassName() { return "WaldenLedgerFileSystem"; }
  const char* Name() const override { return kClassName(); }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* debug) override {
    const absl::string_view name = NameInside(path);
    const FileName parsed = ParseFileName(name);
    IOStatus status = FromWalden(ledger_->Creating(name));
    std::unique_ptr<rocksdb::FSWritableFile> file;
    if (status.ok()) status = FileSystemWrapper::NewWritableFile(path, options, &file, debug);
    if (!status.ok()) {
      if (parsed.kind != FileKind::kLog || !ledger_->is_open()) return status;
      *result = std::make_unique<MissingLog>(std::move(status));
      return IOStatus::OK();
    }
    if (parsed.kind != FileKind::kLog && parsed.kind != FileKind::kManifest) {
      *result = std::move(file);
    } else {
      *result = std::make_unique<LedgerFile>(std::move(file), path, parsed, ledger_->Watch(parsed),
                                             ledger_);
    }
    return status;
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSDirectory> directory;
    const IOStatus status = FileSystemWrapper::NewDirectory(path, options, &directory, debug);
    if (status.ok()) *result = std::make_unique<LedgerDirectory>(std::move(directory), ledger_);
    return status;
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    const IOStatus status = FromWalden(ledger_->Removing(NameInside(path)));
    return status.ok() ? FileSystemWrapper::DeleteFile(path, options, debug) : status;
  }

  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    IOStatus status = FromWalden(ledger_->Creating(NameInside(to)));
    if (!status.ok()) return status;
    if (NameInside(to) != kCurrentFileName) {
      return FileSystemWrapper::RenameFile(from, to, options, debug);
    }
    std::string contents;
    status = rocksdb::ReadFileToString(target(), from, &contents);
    if (status.ok()) status = FromWalden(ledger_->SettingCurrent(ManifestOfCurrent(contents)));
    if (status.ok()) status = FileSystemWrapper::RenameFile(from, to, options, debug);
    if (status.ok()) ledger_->CurrentSet();
    return status;
  }

 private:
  // The name inside the directory; empty for a path outside it.
  absl::string_view NameInside(absl::string_view path) const {
    const size_t slash = path.rfind('/');
    if (slash == absl::string_view::npos) return "";
    absl::string_view parent = path.substr(0, slash);
    while (absl::EndsWith(parent, "/")) parent.remove_suffix(1);
    return parent == directory_ ? path.substr(slash + 1) : "";
  }

  const std::string directory_;
  Ledger* const ledger_;
};

// The environment: all but the file operations are the base environment's.
class LedgerEnv final : public rocksdb::EnvWrapper {
 public:
  LedgerEnv(rocksdb::Env* base, std::shared_ptr<rocksdb::FileSystem> files) : EnvWrapper(base) {
    file_system_ = std::move(files);
  }
  const char* Name() const override { return "WaldenLedgerEnv"; }

  // RocksDB removes obsolete files through its environment.
  rocksdb::Status DeleteFile(const std::string& path) override {
    return file_system_->DeleteFile(path, IOOptions(), nullptr);
  }
  rocksdb::Status RenameFile(const std::string& from, const std::string& to) override {
    return file_system_->RenameFile(from, to, IOOptions(), nullptr);
  }
};

}  // namespace

std::unique_ptr<rocksdb::Env> MakeLedgerEnv(rocksdb::Env* base, std::string directory,
                                            Ledger* ledger) {
  if (base == nullptr) base = rocksdb::Env::Default();
  return std::make_unique<LedgerEnv>(
      base,
      std::make_shared<LedgerFileSystem>(base->GetFileSystem(), std::move(directory), ledger));
}

}  // namespace walden::rocks
