#include "engine/io/posix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/io/guarded_copy.h"
#include "engine/io/posix_error.h"

namespace walden {
namespace {

constexpr uint32_t kSectorBytes = 512;

// The logical block size in sysfs of the device, or of the disk that it is a partition of; nullopt
// if there is neither, as for network and memory file systems.
std::optional<uint32_t> LogicalBlockBytes(dev_t device) {
  const std::string directory =
      absl::StrCat("/sys/dev/block/", major(device), ":", minor(device), "/");
  for (const char* const below : {"queue/logical_block_size", "../queue/logical_block_size"}) {
    std::ifstream file(directory + below);
    if (uint32_t bytes = 0; file >> bytes) return bytes;
  }
  return std::nullopt;
}

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

class PosixFile : public File {
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

  uint32_t WriteAlignment() const override {
    struct stat info = {};
#ifdef STATX_DIOALIGN
    struct statx extended = {};
    if (::statx(descriptor_, "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
        (extended.stx_mask & STATX_DIOALIGN) != 0 && extended.stx_dio_offset_align != 0) {
      return extended.stx_dio_offset_align;
    }
#endif
    if (::fstat(descriptor_, &info) != 0) return kSectorBytes;
    return LogicalBlockBytes(info.st_dev).value_or(kSectorBytes);
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
    // Only a hint; the sync that follows reports errors.
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

  absl::Status CheckInPlace(const std::string& path, uint64_t size) const override {
    struct stat mine = {};
    if (::fstat(descriptor_, &mine) != 0) return PosixError("fstat", path, errno);
    if (static_cast<uint64_t>(mine.st_size) < size) {
      return NotInPlace(path, absl::StrCat("was cut to ", mine.st_size, " bytes, of ", size));
    }
    struct stat named = {};
    if (::stat(path.c_str(), &named) != 0) {
      if (errno == ENOENT) return NotInPlace(path, "was removed");
      return PosixError("stat", path, errno);
    }
    if (named.st_ino == mine.st_ino && named.st_dev == mine.st_dev) return absl::OkStatus();
    return NotInPlace(path, "was replaced by another file");
  }

  absl::Status Close() override {
    const int descriptor = std::exchange(descriptor_, -1);
    if (descriptor >= 0 && ::close(descriptor) != 0) return PosixError("close", path_, errno);
    return absl::OkStatus();
  }

 protected:
  int descriptor() const { return descriptor_; }

 private:
  static absl::Status NotInPlace(const std::string& path, absl::string_view what) {
    return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                     absl::StrCat(path, " ", what, " while it was open"),
                     {{"file", path}, {"offset", "0"}});
  }

  const std::string path_;
  int descriptor_;
};

// Reads around the page cache, in blocks that begin and end where every disk's blocks do.
class PosixMediumFile final : public PosixFile {
 public:
  PosixMediumFile(std::string path, int buffered, int direct)
      : PosixFile(std::move(path), buffered), direct_(direct) {}
  ~PosixMediumFile() override {
    if (direct_ >= 0) ::close(direct_);
  }

  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> out) const override {
    if (direct_ >= 0) {
      const std::optional<absl::StatusOr<size_t>> read = ReadDirect(offset, out);
      if (read.has_value()) return *read;
    }
    // Drops clean pages, so that the next read comes from the medium. Only a hint.
    (void)::posix_fadvise(descriptor(), static_cast<off_t>(offset), static_cast<off_t>(out.size()),
                          POSIX_FADV_DONTNEED);
    return PosixFile::Read(offset, out);
  }

 private:
  static constexpr uint64_t kBlockBytes = 4096;
  static constexpr uint64_t kStepBytes = 256 << 10;

  // nullopt if the file system has no direct reads after all.
  std::optional<absl::StatusOr<size_t>> ReadDirect(uint64_t offset, absl::Span<char> out) const {
    const std::unique_ptr<char, void (*)(void*)> block(
        static_cast<char*>(std::aligned_alloc(kBlockBytes, kStepBytes)), &std::free);
    if (block == nullptr) return std::nullopt;
    size_t done = 0;
    while (done < out.size()) {
      const uint64_t at = offset + done;
      const uint64_t skip = at % kBlockBytes;
      const uint64_t wanted = skip + (out.size() - done) + kBlockBytes - 1;
      const uint64_t step = std::min(wanted / kBlockBytes * kBlockBytes, kStepBytes);
      const ssize_t got = ::pread(direct_, block.get(), step, static_cast<off_t>(at - skip));
      if (got < 0) {
        if (errno == EINTR) continue;
        if (errno == EINVAL) return std::nullopt;
        return absl::StatusOr<size_t>(PosixError("pread", path(), errno));
      }
      if (static_cast<uint64_t>(got) <= skip) break;
      const size_t part = std::min<size_t>(static_cast<size_t>(got) - skip, out.size() - done);
      std::memcpy(out.data() + done, block.get() + skip, part);
      done += part;
      if (static_cast<uint64_t>(got) < step) break;
    }
    return absl::StatusOr<size_t>(done);
  }

  const int direct_;
};

}  // namespace

std::unique_ptr<File> MakePosixMediumFile(std::string path, int buffered, int direct) {
  return std::make_unique<PosixMediumFile>(std::move(path), buffered, direct);
}

std::unique_ptr<File> MakePosixFile(std::string path, int descriptor) {
  return std::make_unique<PosixFile>(std::move(path), descriptor);
}

}  // namespace walden
