#include "engine/rocksdb/companion/ledger.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/rocksdb/companion/companion_format.h"
#include "engine/rocksdb/wal/wal_repair.h"

namespace walden::rocks {
namespace {

// File numbers are noted this many at a time.
constexpr uint64_t kNumbersAhead = 64;

absl::Status Refuse(absl::string_view directory, absl::string_view what) {
  return MakeError(absl::StatusCode::kUnavailable, ErrorReason::kIoError,
                   absl::StrCat("RocksDB in ", directory, " ", what),
                   {{"directory", std::string(directory)}});
}

std::vector<CompanionLog>::iterator FindLog(Companion& companion, uint64_t number) {
  return std::find_if(companion.logs.begin(), companion.logs.end(),
                      [&](const CompanionLog& log) { return log.number == number; });
}

}  // namespace

void WatchedFile::Appended(absl::string_view bytes) {
  absl::MutexLock lock(&mutex_);
  running_crc_ = Crc32cExtend(begun_ ? running_crc_ : kCrc32cStart, bytes);
  begun_ = true;
  length_ += bytes.size();
}

FilePrefix WatchedFile::written() const {
  absl::MutexLock lock(&mutex_);
  return {length_, Crc32cFinish(begun_ ? running_crc_ : kCrc32cStart)};
}

void WatchedFile::Synced(const FilePrefix& durable) {
  absl::MutexLock lock(&mutex_);
  if (durable.length >= durable_.length) durable_ = durable;
}

FilePrefix WatchedFile::durable() const {
  absl::MutexLock lock(&mutex_);
  return durable_;
}

bool WatchedFile::has_unsynced() const {
  absl::MutexLock lock(&mutex_);
  return length_ != durable_.length;
}

absl::Status WatchedFile::RunSync(absl::FunctionRef<absl::Status()> sync) {
  absl::MutexLock lock(&sync_mutex_);
  if (sync_failure_.ok()) sync_failure_ = sync();
  return sync_failure_;
}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Begin(FileSystem* files, std::string directory,
                                                      Companion companion) {
  ++companion.generation;
  auto file = CompanionFile::Make(files, directory, companion);
  if (!file.ok()) return file.status();
  return std::unique_ptr<Ledger>(
      new Ledger(files, std::move(directory), std::move(companion), *std::move(file)));
}

Ledger::Ledger(FileSystem* files, std::string directory, Companion companion,
               std::unique_ptr<CompanionFile> file)
    : files_(files),
      directory_(std::move(directory)),
      file_(std::move(file)),
      companion_(std::move(companion)),
      highest_number_(companion_.numbers_through) {}

Companion Ledger::Now() const {
  Companion now = companion_;
  for (CompanionLog& log : now.logs) {
    const auto watched = logs_.find(log.number);
    if (watched != logs_.end() && named_.contains(log.number)) {
      log.durable = watched->second->durable();
    }
  }
  return now;
}

absl::Status Ledger::Write(Companion next) {
  next.generation = companion_.generation + 1;
  const absl::Status status = file_->Write(next);
  if (status.ok()) companion_ = std::move(next);
  return status;
}

absl::Status Ledger::Creating(absl::string_view name) {
  const FileName file = ParseFileName(name);
  if (file.kind == FileKind::kOther) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  highest_number_ = std::max(highest_number_, file.number);
  const bool is_new_log =
      file.kind == FileKind::kLog && FindLog(companion_, file.number) == companion_.logs.end();
  if (file.number <= companion_.numbers_through && !is_new_log) return absl::OkStatus();
  Companion next = Now();
  if (file.number > next.numbers_through) next.numbers_through = file.number + kNumbersAhead;
  if (is_new_log) {
    if (next.logs.size() == kMaxCompanionLogs) {
      return Refuse(directory_, absl::StrCat("has ", kMaxCompanionLogs,
                                             " write-ahead log files, the most that there may be"));
    }
    next.logs.push_back({.number = file.number});
    std::sort(next.logs.begin(), next.logs.end(),
              [](const CompanionLog& a, const CompanionLog& b) { return a.number < b.number; });
  }
  return Write(std::move(next));
}

std::shared_ptr<WatchedFile> Ledger::Watch(const FileName& name) {
  auto watched = std::make_shared<WatchedFile>();
  if (name.kind == FileKind::kLog) {
    absl::MutexLock lock(&mutex_);
    logs_[name.number] = watched;
  }
  return watched;
}

absl::Status Ledger::ManifestSynced(uint64_t number, const FilePrefix& durable) {
  absl::MutexLock lock(&mutex_);
  Companion next = Now();
  CompanionManifest& manifest = next.manifest.number == number ? next.manifest : next.next;
  manifest = {number, durable};
  return Write(std::move(next));
}

absl::Status Ledger::SettingCurrent(uint64_t manifest) {
  {
    absl::MutexLock lock(&mutex_);
    if (companion_.next.number != manifest || manifest == 0) {
      return Refuse(directory_, absl::StrCat("makes CURRENT name ", ManifestName(manifest),
                                             ", which it has not written"));
    }
  }
  // The manifest's own name must be durable before CURRENT names it.
  return files_->SyncDirectory(directory_);
}

void Ledger::CurrentSet() {
  absl::MutexLock lock(&mutex_);
  current_set_ = true;
}

absl::Status Ledger::Removing(absl::string_view name) {
  const FileName file = ParseFileName(name);
  absl::MutexLock lock(&mutex_);
  if (file.kind == FileKind::kManifest) {
    if (file.number == companion_.manifest.number) {
      return Refuse(directory_, absl::StrCat("removes ", name, ", which CURRENT names"));
    }
    if (file.number != companion_.next.number) return absl::OkStatus();
    if (current_set_) return Refuse(directory_, absl::StrCat("removes ", name, ", in use"));
    Companion next = Now();
    next.next = {};
    return Write(std::move(next));
  }
  if (file.kind != FileKind::kLog) return absl::OkStatus();
  Companion next = Now();
  if (FindLog(next, file.number) == next.logs.end()) return absl::OkStatus();
  // RocksDB removes logs in any order, but a log only once it needs no older one either.
  const auto is_removed = [&](const CompanionLog& log) { return log.number <= file.number; };
  next.logs.erase(std::remove_if(next.logs.begin(), next.logs.end(), is_removed), next.logs.end());
  logs_.erase(logs_.begin(), logs_.upper_bound(file.number));
  named_.erase(named_.begin(), named_.upper_bound(file.number));
  return Write(std::move(next));
}

Ledger::Unsynced Ledger::BeforeDirectorySync() const {
  absl::MutexLock lock(&mutex_);
  return {.current = current_set_, .logs_through = logs_.empty() ? 0 : logs_.rbegin()->first};
}

absl::Status Ledger::DirectorySynced(const Unsynced& before) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [number, watched] : logs_) {
    if (number <= before.logs_through) named_.insert(number);
  }
  Companion next = Now();
  if (before.current && current_set_) {
    next.manifest = std::exchange(next.next, {});
    current_set_ = false;
  }
  return next == companion_ ? absl::OkStatus() : Write(std::move(next));
}

absl::Status Ledger::NoteLogEnds() {
  absl::MutexLock lock(&mutex_);
  Companion next = Now();
  return next == companion_ ? absl::OkStatus() : Write(std::move(next));
}

absl::Status Ledger::NoteOpen() {
  absl::MutexLock lock(&mutex_);
  is_open_ = true;
  Companion next = Now();
  next.state = Companion::State::kOpen;
  return next == companion_ ? absl::OkStatus() : Write(std::move(next));
}

bool Ledger::is_open() const {
  absl::MutexLock lock(&mutex_);
  return is_open_;
}

absl::Status Ledger::NoteClosed() {
  absl::MutexLock lock(&mutex_);
  if (companion_.state != Companion::State::kOpen || current_set_) return absl::OkStatus();
  Companion next = Now();
  for (const CompanionLog& log : next.logs) {
    const auto watched = logs_.find(log.number);
    if (watched == logs_.end())
      return absl::OkStatus();  // of an earlier opening: its end is not known
    if (watched->second->written() != log.durable && watched->second->written().length > 0) {
      return absl::OkStatus();
    }
  }
  next.state = Companion::State::kClosed;
  next.next = {};
  next.numbers_through = highest_number_;
  // Both slots get the closed state, so that damage to one of them loses nothing.
  const absl::Status status = Write(next);
  return status.ok() ? Write(std::move(next)) : status;
}

absl::Status Ledger::SyncLogs() {
  return SyncWals(files_, directory_,
                  [this](const std::string& name, absl::FunctionRef<absl::Status()> sync) {
                    std::shared_ptr<WatchedFile> watched;
                    {
                      absl::MutexLock lock(&mutex_);
                      const auto found = logs_.find(ParseFileName(name).number);
                      if (found != logs_.end()) watched = found->second;
                    }
                    return watched == nullptr ? sync() : watched->RunSync(sync);
                  });
}

bool Ledger::HasUnsyncedLog() const {
  absl::MutexLock lock(&mutex_);
  return std::any_of(logs_.begin(), logs_.end(),
                     [](const auto& log) { return log.second->has_unsynced(); });
}

std::map<std::string, uint64_t> Ledger::LogEnds() const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, uint64_t> ends;
  for (const CompanionLog& log : Now().logs) ends[LogName(log.number)] = log.durable.length;
  return ends;
}

uint64_t Ledger::salt() const {
  absl::MutexLock lock(&mutex_);
  return companion_.salt;
}

}  // namespace walden::rocks
