#include "tests/bench/file_ceiling.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/payload.h"

namespace walden::bench {
namespace {

absl::StatusOr<int> OpenAllocated(const std::string& path, uint64_t size) {
  const int descriptor = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  if (const int error = posix_fallocate(descriptor, 0, static_cast<off_t>(size)); error != 0) {
    close(descriptor);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot allocate ", path));
  }
  if (fsync(descriptor) != 0) {
    const int error = errno;
    close(descriptor);
    return absl::ErrnoToStatus(error, absl::StrCat("fsync of ", path));
  }
  return descriptor;
}

}  // namespace

absl::StatusOr<WrittenFile> WrittenFile::CreateFresh(const std::string& path, uint64_t size) {
  absl::StatusOr<int> descriptor = OpenAllocated(path, size);
  if (!descriptor.ok()) return descriptor.status();
  return WrittenFile(*descriptor, size);
}

absl::StatusOr<WrittenFile> WrittenFile::Create(const std::string& path, uint64_t size) {
  absl::StatusOr<WrittenFile> file = CreateFresh(path, size);
  if (!file.ok()) return file;
  const std::string zeros(std::min<uint64_t>(size, kMiB), '\0');
  while (file->HasRoomFor(zeros.size())) {
    if (absl::Status status = file->WriteAndSync(zeros); !status.ok()) return status;
  }
  file->position_ = 0;
  return file;
}

WrittenFile::WrittenFile(WrittenFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      position_(other.position_) {}

WrittenFile& WrittenFile::operator=(WrittenFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(size_, other.size_);
  std::swap(position_, other.position_);
  return *this;
}

WrittenFile::~WrittenFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status WrittenFile::WriteAndSync(absl::string_view bytes) {
  if (!HasRoomFor(bytes.size())) position_ = 0;
  const iovec piece = {const_cast<char*>(bytes.data()), bytes.size()};
  const ssize_t written = pwritev(descriptor_, &piece, 1, static_cast<off_t>(position_));
  if (written < 0) return absl::ErrnoToStatus(errno, "pwritev");
  if (static_cast<size_t>(written) != bytes.size()) return absl::InternalError("short pwritev");
  if (fdatasync(descriptor_) != 0) return absl::ErrnoToStatus(errno, "fdatasync");
  position_ += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<Measurement> MeasureSyncedWrites(const std::string& directory,
                                                uint64_t bytes_per_sync, Blocks blocks,
                                                double seconds) {
  const std::string path = absl::StrCat(directory, "/file_ceiling");
  const auto create = [&] {
    return blocks == Blocks::kWrittenBefore ? WrittenFile::Create(path, kSegmentBytes)
                                            : WrittenFile::CreateFresh(path, kSegmentBytes);
  };
  absl::StatusOr<WrittenFile> file = create();
  if (!file.ok()) return file.status();
  const std::string bytes = MakePayload(bytes_per_sync, 1);
  Measurement measurement;
  uint64_t spent = 0;
  while (spent < Nanos(seconds)) {
    if (blocks == Blocks::kFreshlyAllocated && !file->HasRoomFor(bytes.size())) {
      unlink(path.c_str());
      file = create();  // not counted
      if (!file.ok()) return file.status();
    }
    const uint64_t start = NowNanos();
    if (absl::Status status = file->WriteAndSync(bytes); !status.ok()) return status;
    const uint64_t nanos = NowNanos() - start;
    measurement.latency.Record(absl::Nanoseconds(nanos));
    spent += nanos;
  }
  unlink(path.c_str());
  const double total = static_cast<double>(measurement.latency.count() * bytes_per_sync);
  measurement.value = total / 1e6 / SecondsBetween(0, spent);
  return measurement;
}

absl::StatusOr<SequentialRead> ReadFiles(const std::vector<std::string>& paths) {
  std::string buffer(kMiB, '\0');
  SequentialRead result;
  const uint64_t start = NowNanos();
  for (const std::string& path : paths) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
    ssize_t count = 0;
    while ((count = read(descriptor, buffer.data(), buffer.size())) > 0) {
      result.bytes += static_cast<uint64_t>(count);
    }
    const int error = errno;
    close(descriptor);
    if (count < 0) return absl::ErrnoToStatus(error, absl::StrCat("cannot read ", path));
  }
  result.seconds = SecondsBetween(start, NowNanos());
  return result;
}

std::vector<std::string> SegmentFilesBelow(const std::string& directory) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (absl::StartsWith(entry.path().filename().string(), "seg_"))
      paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace walden::bench
