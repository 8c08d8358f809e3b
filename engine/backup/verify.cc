#include "engine/backup/verify.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"
#include "engine/backup/data_reader.h"

namespace walden::backup {
namespace {

constexpr uint64_t kReportStepBytes = 4 << 20;
constexpr FileSystem::OpenMode kMedium = FileSystem::OpenMode::kReadFromMedium;

class RegionVerifier {
 public:
  RegionVerifier(FileSystem* files, const std::string& backup_directory, RegionId region,
                 absl::FunctionRef<bool(uint64_t bytes)> progress)
      : files_(files),
        backup_directory_(backup_directory),
        shown_(absl::StrCat(kRegionPrefix, region)),
        region_(region),
        progress_(progress) {}

  absl::StatusOr<RegionVerification> Verify() {
    auto manifest = ReadManifest(files_, RegionDirectory(backup_directory_, region_), kMedium);
    if (absl::IsDataLoss(manifest.status())) {
      Find(std::string(kManifestFile), 0, 0, 0, 0, manifest.status().message());
      return std::move(result_);
    }
    if (!manifest.ok()) return manifest.status();
    result_.manifest = *std::move(manifest);
    if (result_.manifest.region != region_) {
      Find(std::string(kManifestFile), 0, 0, 0, 0,
           absl::StrCat("it is of region ", result_.manifest.region));
    }
    result_.tables = result_.manifest.tables.size();
    for (const DataFile& file : result_.manifest.files) {
      const absl::Status status = CheckFile(file);
      if (!status.ok()) return status;
    }
    const absl::Status status = CountUnfinished();
    if (!status.ok()) return status;
    return std::move(result_);
  }

 private:
  void Find(const std::string& file, uint64_t offset, uint64_t length, SequenceNumber first,
            SequenceNumber last, absl::string_view reason) {
    result_.findings.push_back({.file = absl::StrCat(shown_, "/", file),
                                .offset = offset,
                                .length = length,
                                .first = first,
                                .last = last,
                                .reason = std::string(reason)});
  }

  absl::Status CheckFile(const DataFile& file) {
    ++result_.files;
    const std::string name = DataFileName(file.number);
    const auto opened = DataReader::Open(
        files_, absl::StrCat(RegionDirectory(backup_directory_, region_), "/", name), file.bytes,
        kMedium);
    if (absl::IsNotFound(opened.status())) {
      Find(name, 0, file.bytes, 0, 0, "the file is gone");
      return absl::OkStatus();
    }
    if (!opened.ok()) return opened.status();
    DataReader& reader = **opened;
    const size_t findings_before = result_.findings.size();
    const auto magic = reader.HasMagic();
    if (!magic.ok()) return magic.status();
    if (!*magic) Find(name, 0, kMagicBytes, 0, 0, "it does not begin as a data file");
    uint32_t crc = Crc32c(kDataMagic);
    uint64_t offset = kMagicBytes;
    for (const Run& run : file.runs) {
      const absl::Status status = CheckRun(name, reader, run, offset, crc);
      if (!status.ok()) return status;
      offset += run.encoded_bytes();
    }
    // The file's checksum covers which records there are. It is compared only if each record by
    // itself is sound.
    if (result_.findings.size() == findings_before && crc != file.crc) {
      Find(name, 0, file.bytes, 0, 0, "the checksum of the whole file does not match");
    }
    const absl::Status status = CountBehind(reader.path(), file.bytes);
    return status.ok() ? Report(kReportStepBytes) : status;
  }

  // Counts the bytes after `end` that are not zero. Zero bytes are left where bytes were cut off.
  absl::Status CountBehind(const std::string& path, uint64_t end) {
    const auto reader = DataReader::Open(files_, path, UINT64_MAX, kMedium);
    if (!reader.ok()) return reader.status();
    const auto nothing_behind = (*reader)->NeverWrittenFrom(end);
    if (!nothing_behind.ok()) return nothing_behind.status();
    if (!*nothing_behind) result_.unfinished_bytes += (*reader)->size() - end;
    return absl::OkStatus();
  }

  // Checks the records of a run, and continues `crc` over its bytes.
  absl::Status CheckRun(const std::string& name, DataReader& reader, const Run& run,
                        uint64_t offset, uint32_t& crc) {
    const uint64_t end = offset + run.encoded_bytes();
    const TableCopy* const table = result_.manifest.Find(run.table);
    SequenceNumber previous = run.first - 1;
    for (uint64_t i = 0; i < run.records; ++i) {
      RecordView record;
      const auto outcome = reader.ReadAt(offset, &record);
      if (!outcome.ok()) return outcome.status();
      std::string problem;
      if (*outcome == DataOutcome::kInvalid) {
        problem = reader.reason();
      } else if (*outcome == DataOutcome::kEnd) {
        problem = offset >= reader.size() ? "the file is too short" : "nothing is written here";
      } else if (table == nullptr || record.table != run.table || record.sequence <= previous ||
                 record.sequence > run.last || (i == 0 && record.sequence != run.first) ||
                 (i + 1 == run.records && record.sequence != run.last)) {
        problem = "the record here is not the one that the manifest names";
      }
      if (!problem.empty()) {
        Find(name, offset, end - offset, previous + 1, run.last,
             absl::StrCat("table ", run.table, ": ", problem));
        return absl::OkStatus();
      }
      const uint64_t bytes = reader.encoded().size();
      crc = Crc32cFinish(Crc32cExtend(~crc, reader.encoded()));
      offset += bytes;
      previous = record.sequence;
      ++result_.records;
      result_.bytes += bytes;
      if (record.sequence > table->deleted_through) {
        ++result_.live_records;
        result_.payload_bytes += record.payload.size();
      }
      unreported_ += bytes;
      const absl::Status status = Report(0);
      if (!status.ok()) return status;
    }
    return CheckOrder(name, run, end);
  }

  absl::Status CheckOrder(const std::string& name, const Run& run, uint64_t end) {
    SequenceNumber& last = last_of_table_[run.table];
    if (run.first <= last) {
      Find(name, end - run.encoded_bytes(), run.encoded_bytes(), run.first, run.last,
           absl::StrCat("table ", run.table, ": records come twice, ", last, " was there before"));
    }
    last = run.last;
    return absl::OkStatus();
  }

  absl::Status CountUnfinished() {
    const std::string directory = RegionDirectory(backup_directory_, region_);
    const auto names = files_->ListDirectory(directory);
    if (!names.ok()) return names.status();
    for (const std::string& name : *names) {
      uint64_t number = 0;
      if (!ParseNumbered(name, kDataPrefix, &number)) continue;
      if (number < result_.manifest.next_file) continue;
      const auto file =
          files_->OpenFile(absl::StrCat(directory, "/", name), FileSystem::OpenMode::kReadOnly);
      if (!file.ok()) return file.status();
      const auto size = (*file)->Size();
      if (!size.ok()) return size.status();
      result_.unfinished_bytes += *size;
    }
    return absl::OkStatus();
  }

  absl::Status Report(uint64_t force) {
    if (unreported_ + force < kReportStepBytes) return absl::OkStatus();
    if (!progress_(std::exchange(unreported_, 0))) {
      return absl::CancelledError("stopped by the caller");
    }
    return absl::OkStatus();
  }

  FileSystem* const files_;
  const std::string& backup_directory_;
  const std::string shown_;
  const RegionId region_;
  absl::FunctionRef<bool(uint64_t bytes)> progress_;
  std::map<TableId, SequenceNumber> last_of_table_;
  uint64_t unreported_ = 0;
  RegionVerification result_;
};

}  // namespace

absl::StatusOr<RegionVerification> VerifyRegion(FileSystem* files,
                                                const std::string& backup_directory,
                                                RegionId region,
                                                absl::FunctionRef<bool(uint64_t bytes)> progress) {
  return RegionVerifier(files, backup_directory, region, progress).Verify();
}

}  // namespace walden::backup
