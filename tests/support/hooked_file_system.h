// A FileSystem that calls a function before each operation on a file, to stop a thread in the middle
// of what it does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/file_system.h"

namespace walden::testing {

// The hook is called by the thread that does the operation, without a lock. Any thread; the hook is
// set once, before any of them. Both file systems outlive all that they hand out.
class HookedFileSystem final : public FileSystem {
 public:
  HookedFileSystem(FileSystem* base, std::function<void()> hook)
      : base_(base), hook_(std::move(hook)) {}

  absl::StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
    return Hooked(base_->CreateFile(path));
  }
  absl::StatusOr<std::unique_ptr<File>> OpenFile(const std::string& path, OpenMode mode) override {
    hook_();
    return Hooked(base_->OpenFile(path, mode));
  }
  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override {
    return base_->ListDirectory(path);
  }
  absl::Status CreateDirectory(const std::string& path) override {
    return base_->CreateDirectory(path);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return base_->Rename(from, to);
  }
  absl::Status RemoveFile(const std::string& path) override { return base_->RemoveFile(path); }
  absl::Status RemoveDirectory(const std::string& path) override {
    return base_->RemoveDirectory(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    return base_->SyncDirectory(path);
  }
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(const std::string& path) override {
    return base_->LockDirectory(path);
  }
  absl::StatusOr<EntryKind> KindOf(const std::string& path) override { return base_->KindOf(path); }
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    return base_->FileSize(path);
  }
  absl::StatusOr<absl::Time> LastWritten(const std::string& path) override {
    return base_->LastWritten(path);
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return base_->FreeBytes(path);
  }
  absl::StatusOr<uint64_t> TotalBytes(const std::string& path) override {
    return base_->TotalBytes(path);
  }

 private:
  class HookedMapping final : public Mapping {
   public:
    HookedMapping(std::unique_ptr<Mapping> base, const std::function<void()>* hook)
        : base_(std::move(base)), hook_(hook) {}
    uint64_t size() const override { return base_->size(); }
    absl::Status Copy(uint64_t offset, absl::Span<char> out) const override {
      (*hook_)();
      return base_->Copy(offset, out);
    }
    void Release(uint64_t offset, uint64_t length) const override {
      base_->Release(offset, length);
    }

   private:
    const std::unique_ptr<Mapping> base_;
    const std::function<void()>* const hook_;
  };

  class HookedFile final : public File {
   public:
    HookedFile(std::unique_ptr<File> base, const std::function<void()>* hook)
        : base_(std::move(base)), hook_(hook) {}
    const std::string& path() const override { return base_->path(); }
    absl::StatusOr<uint64_t> Size() const override { return base_->Size(); }
    uint32_t WriteAlignment() const override { return base_->WriteAlignment(); }
    absl::Status Allocate(uint64_t size) override { return base_->Allocate(size); }
    absl::Status Write(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
      (*hook_)();
      return base_->Write(offset, pieces);
    }
    absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const override {
      (*hook_)();
      return base_->Read(offset, out);
    }
    void StartWriteBack(uint64_t offset, uint64_t length) override {
      base_->StartWriteBack(offset, length);
    }
    absl::Status SyncData() override {
      (*hook_)();
      return base_->SyncData();
    }
    absl::StatusOr<std::unique_ptr<Mapping>> Map() override {
      auto mapping = base_->Map();
      if (!mapping.ok()) return mapping;
      return std::make_unique<HookedMapping>(*std::move(mapping), hook_);
    }
    absl::Status CheckInPlace(const std::string& path, uint64_t size) const override {
      return base_->CheckInPlace(path, size);
    }
    absl::Status Close() override { return base_->Close(); }

   private:
    const std::unique_ptr<File> base_;
    const std::function<void()>* const hook_;
  };

  absl::StatusOr<std::unique_ptr<File>> Hooked(absl::StatusOr<std::unique_ptr<File>> file) const {
    if (!file.ok()) return file;
    return std::make_unique<HookedFile>(*std::move(file), &hook_);
  }

  FileSystem* const base_;
  const std::function<void()> hook_;
};

}  // namespace walden::testing
