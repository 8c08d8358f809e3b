// Repairs the end of a log whose last writes a crash cut or left in doubt.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/io/zeros.h"
#include "engine/segment/file_window.h"
#include "engine/segment/format.h"
#include "engine/segment/group_reader.h"
#include "engine/segment/record_parser.h"
#include "engine/segment/segment_log.h"

namespace walden::segment {
namespace {

constexpr absl::string_view kEvidenceDirectory = "evidence";
constexpr uint64_t kRepairStepBytes = 1 << 20;

absl::Status CopyBytes(const File& from, uint64_t begin, uint64_t end, File& to) {
  std::string step;
  for (uint64_t at = begin; at < end;) {
    step.resize(std::min(kRepairStepBytes, end - at));
    const absl::StatusOr<size_t> got = from.Read(at, absl::MakeSpan(step.data(), step.size()));
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    const absl::Status status = to.Write(at - begin, {absl::string_view(step).substr(0, *got)});
    if (!status.ok()) return status;
    at += *got;
  }
  return to.SyncData();
}

// Whether `bytes` consist of whole records.
bool AllRecords(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ParseResult parsed = ParseRecord(bytes, bytes.size());
    if (parsed.outcome != ParseOutcome::kRecord) return false;
    bytes.remove_prefix(parsed.record.encoded_bytes);
  }
  return true;
}

absl::Status Changed(const File& file, uint64_t begin, uint64_t end) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   absl::StrCat(file.path(), " changed between bytes ", begin, " and ", end,
                                " while it was being opened; open the region again"),
                   {{"file", file.path()}});
}

absl::StatusOr<std::string> ReadBytes(const File& file, uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, '\0');
  const absl::StatusOr<size_t> got = file.Read(begin, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  if (*got != bytes.size()) return Changed(file, begin, end);
  return bytes;
}

absl::Status WriteRecordsAgain(File& file, uint64_t begin, uint64_t end) {
  const auto bytes = ReadBytes(file, begin, end);
  if (!bytes.ok()) return bytes.status();
  if (!AllRecords(*bytes)) return Changed(file, begin, end);
  return file.Write(begin, {*bytes});
}

absl::Status WriteGroupsAgain(File& file, const SegmentHeader& segment, uint64_t begin,
                              uint64_t end) {
  FileWindow window(file, end);
  for (uint64_t at = segment.GroupBegin(begin); at < end;) {
    const auto group =
        ReadGroup(window, segment, at, [](const ParsedRecord&, uint64_t) { return nullptr; });
    if (!group.ok()) return group.status();
    if (!group->whole()) return Changed(file, at, end);
    const auto bytes = ReadBytes(file, at, at + group->head->bytes);
    if (!bytes.ok()) return bytes.status();
    // These bytes were read a second time, so they are compared with the checked ones.
    const auto head = ParseGroupHead(*bytes, segment, at);
    if (!head || head->headers_crc != group->head->headers_crc ||
        !AllRecords(absl::string_view(*bytes).substr(kGroupHeadBytes))) {
      return Changed(file, at, end);
    }
    const absl::Status status = file.Write(at, {*bytes});
    if (!status.ok()) return status;
    at = segment.GroupBegin(at + bytes->size());
  }
  return absl::OkStatus();
}

}  // namespace

// Makes the records after the durable position durable, even if the sync for them failed. After a
// failed fsync the kernel takes their pages for clean, and another fsync would write nothing. So
// the same bytes are checked and written again.
absl::Status SegmentLog::WriteTailAgain(const ScannedSegment& newest, File& file) {
  const SegmentScan& scan = newest.scan;
  const auto write_again = [&](uint64_t begin, uint64_t end) {
    if (begin >= end) return absl::OkStatus();
    return newest.header.version_1() ? WriteRecordsAgain(file, begin, end)
                                     : WriteGroupsAgain(file, newest.header, begin, end);
  };
  uint64_t begin = std::max<uint64_t>(scan.durable_end, newest.header.first_end());
  if (begin >= scan.end) return absl::OkStatus();
  absl::Status status;
  // Damaged bytes stay as they are. The records before and after them are written again.
  for (const Damage& damage : newest.damage) {
    if (status.ok()) status = write_again(begin, damage.begin);
    begin = std::max(begin, damage.end);
  }
  if (status.ok()) status = write_again(begin, scan.end);
  return status.ok() ? file.SyncData() : status;
}

absl::Status SegmentLog::CutTornTail(const ScannedSegment& newest, File& file,
                                     OpeningReport& report) {
  const TornTail& torn = *newest.scan.torn;
  if (report.outcome == OpeningReport::Outcome::kClean) {
    report.outcome = OpeningReport::Outcome::kTornTail;
  }
  report.torn_tail_bytes = torn.end - torn.begin;
  const auto evidence = SaveEvidence(file, newest.header.segment, torn);
  if (evidence.ok()) {
    report.evidence_file = *evidence;
  } else if (!absl::IsResourceExhausted(evidence.status())) {
    return evidence.status();
  }  // A full disk: the report says that bytes were cut and names no file.
  const absl::Status zeroed = WriteZeros(file, torn.begin, torn.end);
  return zeroed.ok() ? file.SyncData() : zeroed;
}

absl::StatusOr<std::string> SegmentLog::SaveEvidence(const File& file, uint64_t segment,
                                                     const TornTail& torn) {
  const std::string directory = absl::StrCat(env_.directory.path, "/", kEvidenceDirectory);
  absl::Status status = env_.file_system->CreateDirectory(directory);
  if (!status.ok()) return status;
  std::string name;
  absl::StatusOr<std::unique_ptr<File>> copy = absl::AlreadyExistsError("");
  for (int attempt = 0; absl::IsAlreadyExists(copy.status()); ++attempt) {
    name = absl::StrCat("torn_", SegmentFileName(segment), "_at_", torn.begin, "_", attempt);
    copy = env_.file_system->CreateFile(absl::StrCat(directory, "/", name));
  }
  if (!copy.ok()) return copy.status();
  status = CopyBytes(file, torn.begin, torn.end, **copy);
  if (status.ok()) status = env_.file_system->SyncDirectory(directory);
  if (status.ok()) status = env_.file_system->SyncDirectory(env_.directory.path);
  if (!status.ok()) return status;
  return absl::StrCat(env_.directory.shown_path, "/", kEvidenceDirectory, "/", name);
}

}  // namespace walden::segment
