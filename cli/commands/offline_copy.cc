#include "cli/commands/offline_copy.h"

#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"
#include "cli/reports/region_inspection.h"

namespace walden::cli {

void AddTransferOptions(CLI::App& command, TransferOptions& options) {
  command.add_option("--data-dir", options.data_directory, "The daemon's data_dir")
      ->type_name("DIR")
      ->required();
  command
      .add_option("--namespace", options.namespace_name,
                  "The namespace's name in the configuration, which is also its directory")
      ->check(NamespaceName())
      ->type_name("NAME")
      ->required();
  command
      .add_option("--namespace-id", options.namespace_id,
                  "Its id in the configuration, which its files name (default 1)")
      ->transform(Number(1, 255))
      ->type_name("ID");
  command
      .add_option("--segment-size", options.segment_size_bytes,
                  "Engine segment: its segment_size (default 64MiB)")
      ->transform(ByteSize(uint64_t{1} << 20, uint64_t{1} << 30))
      ->type_name("SIZE");
}

DirectoryOwner EngineNamed(const std::string& name) {
  return name == "rocksdb" ? DirectoryOwner::kRocksdb : DirectoryOwner::kSegment;
}

Json DamageJson(const std::vector<DamagedRange>& damaged) {
  Json ranges = Json::array();
  for (const DamagedRange& damage : damaged) {
    ranges.push_back({{"file", damage.file},
                      {"offset", damage.offset},
                      {"length", damage.length},
                      {"first_sequence", damage.first},
                      {"last_sequence", damage.last},
                      {"reason", damage.reason}});
  }
  return ranges;
}

std::string DamageLines(const std::vector<DamagedRange>& damaged) {
  std::string text;
  for (const DamagedRange& damage : damaged) {
    absl::StrAppend(&text, damage.file, ": damaged: bytes [", damage.offset, ", ",
                    damage.offset + damage.length, "), ");
    if (damage.last == 0) {
      absl::StrAppend(&text, "no number is missing");
    } else if (damage.last == kMaxSequenceNumber) {
      absl::StrAppend(&text, "records from ", damage.first, " on may be lost");
    } else {
      absl::StrAppend(&text, "records ", damage.first, " to ", damage.last, " may be lost");
    }
    absl::StrAppend(&text, ": ", damage.reason, "\n");
  }
  return text;
}

absl::Status FromTransfer(const absl::Status& status, absl::string_view command) {
  if (!absl::IsCancelled(status)) return FromEngine(status);
  return Failure(absl::StatusCode::kCancelled, kReasonInterrupted,
                 absl::StrCat("stopped; the same `walden ", command, "` again goes on from here"));
}

}  // namespace walden::cli
