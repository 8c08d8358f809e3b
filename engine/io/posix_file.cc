#include "engine/io/posix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/error.h"
#include "engine/io/guarded_copy.h"
#include "engine/io/posix_error.h"

namespace walden {
namespace {

class PosixMapping final : public Mapping {
 public:
  PosixMapping(std::string path, const char* base, uint64_t size)
      : path_(std::move(path)), base_(base), size_(size) {}
  ~PosixMapping() override {
    if (size_ > 0) ::munmap(const_cast<char*>(base_), size_);
  }

  uint64_t size() const override { return size_; }

  absl::Status Copy(uint64_t offset, absl::Span<char> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return absl::OutOfRangeError(absl::StrCat("read of ", out.size(), " bytes at ", offset,
                                                " past the end of ", path_, " (", size_,
                                                " bytes)"));
    }
    if (out.empty() || GuardedCopy(out.data(), base_ + offset, out.size())) {
      return absl::OkStatus();
    }
    return MakeError(
        absl::StatusCode::kUnavailable, ErrorReason::kIoError,
        absl::StrCat("cannot read page of ", path_, " between bytes ", offset, " and ",
                     offset + out.size(), ": bad disk block, or the file was cut short"),
        {{"file", path_}, {"operation", "mapped read"}, {"offset", absl::StrCat(offset)}});
  }

  void Release(uint64_t offset, uint64_t length) const override {
    const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    const uint64_t begin = (offset + page - 1) / page * page;
    const uint64_t end = std::min(offset + length, size_) / page * page;
    // Only a hint, so its result is of no use. The pages stay in the kernel's cache.
    if (begin < end) (void)::madvise(const_cast<char*>(base_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  const std::string path_;
  const char* const base_;
  const uint64_t size_;
};

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PosixFile() override {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  const std::string& path() const override { return path_; }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat info = {};
    if (::fstat(descriptor_, &info) != 0) return PosixError("fstat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  std::optional<int64_t> LastWrittenUnixMillis() const override {
    struct stat info = {};
    if (::fstat(descriptor_, &info) != 0) return std::nullopt;
    return int64_t{1000} * info.st_mtim.tv_sec + info.st_mtim.tv_nsec / 1'000'000;
  }

  absl::Status Allocate(uint64_t size) override {
    int error = 0;
    do {
      error = ::posix_fallocate(descriptor_, 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error != 0) return PosixError("posix_fallocate", path_, error);
    return absl::OkStatus();
  }

  absl::Status Write(uint64_t offset, absl::Span<const absl::string_view> pieces) override {
    size_t next = 0;
    size_t written_of_next = 0;
    while (true) {
      std::array<struct iovec, 256> vectors;
      static_assert(256 <= IOV_MAX);
      size_t count = 0;
      for (size_t i = next; i < pieces.size() && count < vectors.size(); ++i) {
        absl::string_view piece = pieces[i];
        if (i == next) piece.remove_prefix(written_of_next);
        if (piece.empty()) continue;
        vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
      }
      if (count == 0) return absl::OkStatus();
      const ssize_t written = ::pwritev(descriptor_, vectors.data(), static_cast<int>(count),
                                        static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return PosixError("pwritev", path_, errno);
      }
      if (written == 0) return PosixError("pwritev", path_, EIO);
      offset += static_cast<uint64_t>(written);
      size_t left = static_cast<size_t>(written);
      while (next < pieces.size() && left >= pieces[next].size() - written_of_next) {
        left -= pieces[next].size() - written_of_next;
        written_of_next = 0;
        ++next;
      }
      written_of_next += left;
    }
  }

  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0) {
        if (errno == EINTR) continue;
        return PosixError("pread", path_, errno);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  void StartWriteBack(uint64_t offset, uint64_t length) override {
    // Only a hint; the sync that follows reports what goes wrong.
    (void)::sync_file_range(descriptor_, static_cast<off64_t>(offset), static_cast<off64_t>(length),
                            SYNC_FILE_RANGE_WRITE);
  }

  absl::Status SyncData() override {
    if (::fdatasync(descriptor_) != 0) return PosixError("fdatasync", path_, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<Mapping>> Map() override {
    const absl::StatusOr<uint64_t> size = Size();
    if (!size.ok()) return size.status();
    if (*size == 0) return std::make_unique<PosixMapping>(path_, nullptr, 0);
    void* base = ::mmap(nullptr, *size, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (base == MAP_FAILED) return PosixError("mmap", path_, errno);
    return std::make_unique<PosixMapping>(path_, static_cast<const char*>(base), *size);
  }

  absl::Status Close() override {
    const int descriptor = std::exchange(descriptor_, -1);
    if (descriptor >= 0 && ::close(descriptor) != 0) return PosixError("close", path_, errno);
    return absl::OkStatus();
  }

 private:
  const std::string path_;
  int descriptor_;
};

}  // namespace

std::unique_ptr<File> MakePosixFile(std::string path, int descriptor) {
  return std::make_unique<PosixFile>(std::move(path), descriptor);
}

}  // namespace walden
