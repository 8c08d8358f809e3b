#include "engine/rocksdb/wal/wal_repair.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace walden::rocks {
namespace {

constexpr absl::string_view kEvidenceDirectory = "evidence";

// Scans all files as one log, in one pass.
class Scanner {
 public:
  Scanner(const KnownLogs& known, absl::FunctionRef<bool(const WalRecord&)> visit)
      : known_(known), visit_(visit) {}

  // Scans one file; false if the visitor stopped the scan.
  bool File(const std::string& name, absl::string_view bytes) {
    WalParser parser(bytes);
    const uint64_t durable = DurableEnd(name);
    WalRecord record;
    while (true) {
      switch (parser.Next(record)) {
        case WalOutcome::kEnd:
          if (parser.position() < durable) {
            const uint64_t at = parser.position();
            scan_.damage.push_back({name, at, durable - at, "the end that was durable is missing"});
            next_.reset();
          } else if (JudgesMore() && parser.position() < bytes.size()) {
            const uint64_t at = parser.position();
            scan_.zeros.push_back({name, at, bytes.size() - at, "zeros"});
          }
          return true;
        case WalOutcome::kBroken: {
          const WalBreak& broken = parser.broken();
          if (broken.record_begin < durable) {
            scan_.damage.push_back(
                {name, broken.record_begin, broken.end - broken.record_begin, broken.reason});
            next_.reset();
          } else if (JudgesMore()) {
            suspects_.push_back(
                {.place = {name, broken.record_begin, broken.end - broken.record_begin,
                           broken.reason},
                 .may_be_torn = broken.cut_short || HasUnwrittenSector(bytes, broken),
                 .first = next_});
          }
          if (!parser.SkipBroken()) return true;
          break;
        }
        case WalOutcome::kRecord:
          if (!Take(name, record)) return false;
          break;
      }
    }
  }

  WalScan Finish() {
    // No later note covers the first suspicious place. It is a torn write if a sector of it was
    // never written, and else damage.
    if (!suspects_.empty() && !suspects_.front().may_be_torn) Convict();
    if (!suspects_.empty()) scan_.torn = suspects_.front().place;
    return std::move(scan_);
  }

  WalScan& scan() { return scan_; }

 private:
  struct Suspicion {
    WalPlace place;
    bool may_be_torn = true;
    std::optional<uint64_t> first;  // RocksDB's number of the record that should be there
    // Numbers are missing between two whole files, in front of this one.
    std::optional<uint64_t> gap_before;
    std::vector<WalRecord> behind;  // good records, kept until the gap is judged
  };

  // Whether places after the last suspicious one are judged too. They are after a gap between
  // files, which a note may explain, and not after a broken record.
  bool JudgesMore() const { return suspects_.empty() || suspects_.back().gap_before.has_value(); }

  void Convict() {
    scan_.damage.push_back(std::move(suspects_.front().place));
    suspects_.clear();
  }

  uint64_t DurableEnd(const std::string& name) const {
    const auto end = known_.durable_ends.find(name);
    return end == known_.durable_ends.end() ? 0 : end->second;
  }

  bool Take(const std::string& name, const WalRecord& record) {
    if (next_ && record.first < *next_ && suspects_.empty()) {
      scan_.damage.push_back({name, record.begin, record.end - record.begin,
                              "it repeats an earlier write of the log"});
      return true;
    }
    if (next_ && record.first > *next_ && JudgesMore()) {
      suspects_.push_back(
          {.place = {name, record.begin, 0, "records are missing in front of this place"},
           .first = next_});
      if (record.begin == 0) suspects_.back().gap_before = record.first;
    }
    next_ = record.first + record.count;
    if (record.durable && !Judge(*record.durable, record.first)) return false;
    if (suspects_.empty()) return Accept(record);
    // The record may have been written together with the suspicious bytes.
    if (JudgesMore()) suspects_.back().behind.push_back(record);
    return true;
  }

  // Judges the suspicious places by a note: all writes numbered up to `durable` were durable before
  // write `noted_by`.
  bool Judge(uint64_t durable, uint64_t noted_by) {
    while (!suspects_.empty()) {
      Suspicion& suspect = suspects_.front();
      const bool was_durable = durable >= suspect.first.value_or(noted_by - 1);
      if (!suspect.gap_before) {
        if (!was_durable) return true;
        Convict();
      } else if (durable + 1 < *suspect.gap_before) {
        // Missing records that begin with durable ones are no write that a crash cut.
        if (was_durable) suspect.may_be_torn = false;
        return true;
      } else {
        // A power cut undid the removal of an old file, while younger removed files stay gone:
        // their records were durable, in tables. If a missing file is not in tables, or a file is
        // too short, RocksDB notices by its manifest.
        const std::vector<WalRecord> behind = std::move(suspect.behind);
        suspects_.pop_front();
        for (const WalRecord& record : behind) {
          if (!Accept(record)) return false;
        }
      }
    }
    return true;
  }

  bool Accept(const WalRecord& record) {
    ++scan_.records;
    return visit_(record);
  }

  const KnownLogs& known_;
  const absl::FunctionRef<bool(const WalRecord&)> visit_;
  WalScan scan_;
  std::optional<uint64_t> next_;
  std::deque<Suspicion> suspects_;  // in log order
};

absl::Status WriteFile(FileSystem* files, const std::string& path, absl::string_view bytes) {
  const absl::Status removed = files->RemoveFile(path);
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  auto file = files->CreateFile(path);
  if (!file.ok()) return file.status();
  absl::Status status = bytes.empty() ? absl::OkStatus() : (*file)->Write(0, {bytes});
  if (status.ok()) status = (*file)->SyncData();
  if (status.ok()) status = (*file)->Close();
  // A part of the file would only fill the disk.
  if (!status.ok()) (void)files->RemoveFile(path);
  return status;
}

// Replaces the file's contents by `bytes`, atomically and durably.
absl::Status ReplaceFile(FileSystem* files, const std::string& directory, const std::string& name,
                         absl::string_view bytes) {
  const std::string path = absl::StrCat(directory, "/", name);
  const std::string shorter = absl::StrCat(path, ".cut");
  absl::Status status = WriteFile(files, shorter, bytes);
  if (status.ok()) status = files->Rename(shorter, path);
  return status.ok() ? files->SyncDirectory(directory) : status;
}

absl::StatusOr<std::string> SaveEvidence(FileSystem* files, const std::string& directory,
                                         const WalPlace& torn, absl::string_view bytes) {
  const std::string evidence = absl::StrCat(directory, "/", kEvidenceDirectory);
  absl::Status status = files->CreateDirectory(evidence);
  const auto names = files->ListDirectory(evidence);
  if (!names.ok()) return names.status();
  std::string name;
  for (int attempt = 0;; ++attempt) {
    name = absl::StrCat("torn_", torn.file, "_at_", torn.offset, "_", attempt);
    if (!std::binary_search(names->begin(), names->end(), name)) break;
  }
  if (status.ok()) status = WriteFile(files, absl::StrCat(evidence, "/", name), bytes);
  if (status.ok()) status = files->SyncDirectory(evidence);
  if (status.ok()) status = files->SyncDirectory(directory);
  if (!status.ok()) return status;
  return absl::StrCat(kEvidenceDirectory, "/", name);
}

}  // namespace

std::vector<std::string> WalNames(const std::vector<std::string>& names) {
  std::map<uint64_t, std::string> by_number;
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (absl::EndsWith(name, ".log") && absl::SimpleAtoi(name.substr(0, name.size() - 4), &number))
      by_number[number] = name;
  }
  std::vector<std::string> sorted;
  for (auto& [number, name] : by_number) sorted.push_back(std::move(name));
  return sorted;
}

absl::StatusOr<std::string> ReadWholeFile(FileSystem* files, const std::string& path) {
  const auto file = files->OpenFile(path, FileSystem::OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  std::string bytes(*size, '\0');
  const absl::StatusOr<size_t> got =
      bytes.empty() ? 0 : (*file)->Read(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  return bytes;
}

absl::StatusOr<WalScan> ScanWals(FileSystem* files, const std::string& directory,
                                 const KnownLogs& known,
                                 absl::FunctionRef<bool(const WalRecord&)> visit) {
  auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  names->erase(
      std::remove_if(names->begin(), names->end(),
                     [&](const std::string& name) { return known.leftovers.contains(name); }),
      names->end());
  Scanner scanner(known, visit);
  scanner.scan().files = WalNames(*names);
  const std::vector<std::string> wals = scanner.scan().files;
  for (const std::string& name : wals) {
    const auto bytes = ReadWholeFile(files, absl::StrCat(directory, "/", name));
    // RocksDB removed the file meanwhile: its records are in table files.
    if (absl::IsNotFound(bytes.status())) continue;
    if (!bytes.ok()) return bytes.status();
    scanner.scan().bytes += bytes->size();
    if (!scanner.File(name, *bytes)) break;
  }
  return scanner.Finish();
}

absl::StatusOr<CutTail> CutTornTail(FileSystem* files, const std::string& directory,
                                    const WalScan& scan) {
  const WalPlace& torn = *scan.torn;
  const std::string path = absl::StrCat(directory, "/", torn.file);
  auto kept = ReadWholeFile(files, path);
  if (!kept.ok()) return kept.status();
  std::string tail = kept->substr(std::min<uint64_t>(torn.offset, kept->size()));
  kept->resize(kept->size() - tail.size());
  // Files that were begun after the torn place hold no record that was durable.
  const auto at = std::find(scan.files.begin(), scan.files.end(), torn.file);
  const std::vector<std::string> later(std::next(at), scan.files.end());
  for (const std::string& name : later) {
    const auto bytes = ReadWholeFile(files, absl::StrCat(directory, "/", name));
    if (!bytes.ok()) return bytes.status();
    tail += *bytes;
  }
  CutTail cut{.bytes = tail.size()};
  const auto evidence = SaveEvidence(files, directory, torn, tail);
  if (evidence.ok()) {
    cut.evidence_file = *evidence;
  } else if (!absl::IsResourceExhausted(evidence.status())) {
    return evidence.status();
  }  // A full disk: the report says that bytes were cut and names no file.
  absl::Status status;
  for (auto name = later.rbegin(); name != later.rend() && status.ok(); ++name) {
    status = files->RemoveFile(absl::StrCat(directory, "/", *name));
    if (status.ok()) status = files->SyncDirectory(directory);
  }
  if (status.ok()) status = ReplaceFile(files, directory, torn.file, *kept);
  if (!status.ok()) return status;
  return cut;
}

absl::StatusOr<CutTail> CutFile(FileSystem* files, const std::string& directory,
                                const std::string& name, uint64_t end) {
  auto kept = ReadWholeFile(files, absl::StrCat(directory, "/", name));
  if (!kept.ok()) return kept.status();
  const std::string tail = kept->substr(std::min<uint64_t>(end, kept->size()));
  kept->resize(kept->size() - tail.size());
  const auto evidence = SaveEvidence(files, directory, {.file = name, .offset = end}, tail);
  if (!evidence.ok()) return evidence.status();
  const absl::Status status = ReplaceFile(files, directory, name, *kept);
  if (!status.ok()) return status;
  return CutTail{.bytes = tail.size(), .evidence_file = *evidence};
}

absl::StatusOr<bool> RewriteTails(FileSystem* files, const std::string& directory,
                                  const KnownLogs& known) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  bool has_tails = false;
  for (const std::string& name : WalNames(*names)) {
    if (known.leftovers.contains(name)) continue;
    const std::string path = absl::StrCat(directory, "/", name);
    const auto bytes = ReadWholeFile(files, path);
    if (!bytes.ok()) return bytes.status();
    const auto end = known.durable_ends.find(name);
    const uint64_t durable = end == known.durable_ends.end() ? 0 : end->second;
    if (bytes->size() <= durable) continue;
    has_tails = true;
    const auto file = files->OpenFile(path, FileSystem::OpenMode::kReadWrite);
    if (!file.ok()) return file.status();
    absl::Status status = (*file)->Write(durable, {absl::string_view(*bytes).substr(durable)});
    if (status.ok()) status = (*file)->SyncData();
    if (status.ok()) status = (*file)->Close();
    if (!status.ok()) return status;
  }
  return has_tails;
}

absl::Status SyncWals(
    FileSystem* files, const std::string& directory,
    absl::FunctionRef<absl::Status(const std::string& name, absl::FunctionRef<absl::Status()> sync)>
        run) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return names.status();
  for (const std::string& name : WalNames(*names)) {
    const auto file =
        files->OpenFile(absl::StrCat(directory, "/", name), FileSystem::OpenMode::kReadWrite);
    absl::Status status = file.status();
    if (absl::IsNotFound(status)) continue;  // RocksDB removed the file meanwhile
    if (status.ok()) status = run(name, [&file] { return (*file)->SyncData(); });
    if (status.ok()) status = (*file)->Close();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TrimZeros(FileSystem* files, const std::string& directory, const WalScan& scan) {
  for (const WalPlace& place : scan.zeros) {
    auto bytes = ReadWholeFile(files, absl::StrCat(directory, "/", place.file));
    if (!bytes.ok()) return bytes.status();
    bytes->resize(place.offset);
    const absl::Status status = ReplaceFile(files, directory, place.file, *bytes);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace walden::rocks
