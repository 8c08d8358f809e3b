// The files of a backup. Prose and a worked example: FORMAT.md. No logic here: writer
// (region_writer.h) and readers (region_reader.h, verify.h) share this page.
//
//   <backup>/
//       LOCK                  held by the `walden backup` that writes it
//       backup.json           whose backup it is
//       region_<id>/
//           manifest.json     the cut: what this copy of the region is
//           data_<n>          records, n from 0 up
//
//   data file := magic (8), record, record, ...        zero bytes = nothing follows
//
// A record is that of a segment (engine/segment/format.h), without flags.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace walden::backup {

inline constexpr size_t kMagicBytes = 8;
// 0x89 keeps text tools away, "WALBAK" names it, 1 is the version of the file's frame.
inline constexpr absl::string_view kDataMagic{"\x89WALBAK\x01", kMagicBytes};

// A data file is at most this large, unless one group of records is larger.
inline constexpr uint64_t kMaxDataFileBytes = uint64_t{64} << 20;

inline constexpr absl::string_view kIdentityFile = "backup.json";
inline constexpr absl::string_view kManifestFile = "manifest.json";
inline constexpr absl::string_view kTemporarySuffix = ".tmp";
inline constexpr absl::string_view kRegionPrefix = "region_";
inline constexpr absl::string_view kDataPrefix = "data_";

// "format" and "version" of both JSON files.
inline constexpr absl::string_view kIdentityFormat = "walden-backup";
inline constexpr absl::string_view kManifestFormat = "walden-backup-region";
inline constexpr uint64_t kFormatVersion = 1;

// The last line but one of a JSON file: CRC-32C, in hexadecimal, of all bytes before this text.
inline constexpr absl::string_view kChecksumLine = ",\n \"crc32c\": \"";
inline constexpr absl::string_view kChecksumEnd = "\"\n}\n";
inline constexpr size_t kChecksumDigits = 8;

}  // namespace walden::backup
