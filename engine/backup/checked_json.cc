#include "engine/backup/checked_json.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/backup/backup_format.h"

namespace walden::backup {
namespace {

// A manifest takes about 100 bytes for each run of records. A larger file is no manifest.
constexpr uint64_t kMaxJsonBytes = uint64_t{1} << 30;

absl::StatusOr<std::string> ReadWhole(FileSystem* files, const std::string& path,
                                      FileSystem::OpenMode mode) {
  const auto file = files->OpenFile(path, mode);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > kMaxJsonBytes) {
    return Corrupted(path, 0, absl::StrCat("it has ", *size, " bytes, at most ", kMaxJsonBytes));
  }
  std::string bytes(*size, '\0');
  const auto got = (*file)->Read(0, absl::MakeSpan(bytes.data(), bytes.size()));
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  return bytes;
}

absl::StatusOr<uint32_t> CheckedCrc(const std::string& path, absl::string_view bytes) {
  const size_t tail = kChecksumLine.size() + kChecksumDigits + kChecksumEnd.size();
  const size_t begin = bytes.size() - std::min(bytes.size(), tail);
  const absl::string_view end = bytes.substr(begin);
  uint32_t told = 0;
  if (!absl::StartsWith(end, kChecksumLine) || !absl::EndsWith(end, kChecksumEnd) ||
      !ParseCrcText(end.substr(kChecksumLine.size(), kChecksumDigits), &told)) {
    return Corrupted(path, begin, "its last line is not a checksum");
  }
  if (told != Crc32c(bytes.substr(0, begin))) {
    return Corrupted(path, 0, "its checksum does not match: it was changed or damaged");
  }
  return told;
}

}  // namespace

absl::Status Corrupted(const std::string& path, uint64_t offset, absl::string_view what) {
  return MakeError(absl::StatusCode::kDataLoss, ErrorReason::kCorruption,
                   absl::StrCat(path, ": ", what),
                   {{"file", path}, {"offset", absl::StrCat(offset)}});
}

std::string CrcText(uint32_t crc) { return absl::StrFormat("%08x", crc); }

bool ParseCrcText(absl::string_view text, uint32_t* crc) {
  // Accepts only the form that CrcText writes.
  return text.size() == kChecksumDigits && absl::SimpleHexAtoi(text, crc) && CrcText(*crc) == text;
}

absl::StatusOr<CheckedJson> ReadCheckedJson(FileSystem* files, const std::string& path,
                                            absl::string_view format, FileSystem::OpenMode mode) {
  const auto bytes = ReadWhole(files, path, mode);
  if (!bytes.ok()) return bytes.status();
  const auto crc = CheckedCrc(path, *bytes);
  if (!crc.ok()) return crc.status();
  CheckedJson read{Json::parse(*bytes, nullptr, /*allow_exceptions=*/false), *crc};
  if (!read.object.is_object()) return Corrupted(path, 0, "it is not a JSON object");
  JsonMembers members(path);
  const std::string has_format = members.Text(read.object, "format");
  const uint64_t version = members.Number(read.object, "version");
  if (!members.status().ok()) return members.status();
  if (has_format != format || version != kFormatVersion) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kUnsupportedFormat,
        absl::StrCat(path, " is of format ", has_format, ", version ", version,
                     "; this version of Walden knows ", format, ", version ", kFormatVersion),
        {{"file", path}, {"version", absl::StrCat(version)}});
  }
  return read;
}

absl::Status WriteCheckedJson(FileSystem* files, const std::string& directory,
                              absl::string_view name, std::string text) {
  absl::StrAppend(&text, kChecksumLine, CrcText(Crc32c(text)), kChecksumEnd);
  const std::string path = absl::StrCat(directory, "/", name);
  const std::string temporary = absl::StrCat(path, kTemporarySuffix);
  absl::Status status = files->RemoveFile(temporary);
  if (!status.ok() && !absl::IsNotFound(status)) return status;
  auto file = files->CreateFile(temporary);
  if (!file.ok()) return file.status();
  const absl::string_view piece = text;
  status = (*file)->Write(0, absl::MakeConstSpan(&piece, 1));
  if (status.ok()) status = (*file)->SyncData();
  if (status.ok()) status = (*file)->Close();
  if (status.ok()) status = files->Rename(temporary, path);
  return status.ok() ? files->SyncDirectory(directory) : status;
}

const Json* JsonMembers::Find(const Json& object, const char* name) {
  static const auto* const kNull = new Json;
  if (!status_.ok()) return kNull;
  if (object.is_object()) {
    if (const auto found = object.find(name); found != object.end()) return &*found;
  }
  Refuse(absl::StrCat("member \"", name, "\" is missing"));
  return kNull;
}

void JsonMembers::Refuse(absl::string_view what) {
  if (status_.ok()) status_ = Corrupted(path_, 0, what);
}

uint64_t JsonMembers::Number(const Json& object, const char* name, uint64_t max) {
  const Json& member = *Find(object, name);
  if (!member.is_number_unsigned() || member.get<uint64_t>() > max) {
    Refuse(absl::StrCat("member \"", name, "\" is not a number up to ", max));
    return 0;
  }
  return member.get<uint64_t>();
}

std::string JsonMembers::Text(const Json& object, const char* name) {
  const Json& member = *Find(object, name);
  if (member.is_string()) return member.get<std::string>();
  Refuse(absl::StrCat("member \"", name, "\" is not a text"));
  return "";
}

bool JsonMembers::Flag(const Json& object, const char* name) {
  const Json& member = *Find(object, name);
  if (member.is_boolean()) return member.get<bool>();
  Refuse(absl::StrCat("member \"", name, "\" is not true or false"));
  return false;
}

const Json& JsonMembers::Array(const Json& object, const char* name) {
  static const auto* const kEmpty = new Json(Json::array());
  const Json& member = *Find(object, name);
  if (member.is_array()) return member;
  Refuse(absl::StrCat("member \"", name, "\" is not a list"));
  return *kEmpty;
}

}  // namespace walden::backup
