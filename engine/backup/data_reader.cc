#include "engine/backup/data_reader.h"

#include <algorithm>
#include <utility>

#include "engine/backup/backup_format.h"
#include "engine/segment/format.h"
#include "engine/segment/record_parser.h"

namespace walden::backup {

absl::StatusOr<std::unique_ptr<DataReader>> DataReader::Open(FileSystem* files,
                                                             const std::string& path, uint64_t end,
                                                             FileSystem::OpenMode mode) {
  auto file = files->OpenFile(path, mode);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  return std::unique_ptr<DataReader>(new DataReader(*std::move(file), *size, std::min(end, *size)));
}

absl::StatusOr<bool> DataReader::HasMagic() {
  const auto bytes = window_.Peek(0, kMagicBytes);
  if (!bytes.ok()) return bytes.status();
  return bytes->substr(0, kMagicBytes) == kDataMagic;
}

absl::StatusOr<DataOutcome> DataReader::ReadAt(uint64_t offset, RecordView* record) {
  const uint64_t room = window_.end() - std::min(window_.end(), offset);
  uint64_t wanted = segment::kHeaderBytes;
  while (true) {
    const auto bytes = window_.Peek(offset, wanted);
    if (!bytes.ok()) return bytes.status();
    const segment::ParseResult parsed = segment::ParseRecord(*bytes, room);
    switch (parsed.outcome) {
      case segment::ParseOutcome::kNeverWritten:
        return DataOutcome::kEnd;
      case segment::ParseOutcome::kInvalid:
        reason_ = parsed.reason;
        return DataOutcome::kInvalid;
      case segment::ParseOutcome::kNeedMore:
        if (bytes->size() >= wanted && wanted < parsed.needed) {
          wanted = parsed.needed;
          continue;
        }
        reason_ = "the file became shorter while it was read";
        return DataOutcome::kInvalid;
      case segment::ParseOutcome::kRecord:
        if (parsed.record.flags != 0) {
          reason_ = "the record has flags, which no record of a backup has";
          return DataOutcome::kInvalid;
        }
        encoded_ = bytes->substr(0, parsed.record.encoded_bytes);
        *record = {.table = parsed.record.table,
                   .sequence = parsed.record.sequence,
                   .payload = parsed.record.payload};
        return DataOutcome::kRecord;
    }
  }
}

absl::StatusOr<bool> DataReader::NeverWrittenFrom(uint64_t offset) {
  while (offset < window_.end()) {
    const auto bytes = window_.Peek(offset, 1);
    if (!bytes.ok()) return bytes.status();
    if (bytes->find_first_not_of('\0') != absl::string_view::npos) return false;
    if (bytes->empty()) return true;  // the file became shorter while it was read
    offset += bytes->size();
  }
  return true;
}

}  // namespace walden::backup
