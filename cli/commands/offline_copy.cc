#include "cli/commands/offline_copy.h"

#include "absl/strings/str_cat.h"
#include "cli/commands/offline_namespace.h"
#include "cli/console/failure.h"
#include "cli/console/wording.h"
#include "cli/reports/region_inspection.h"
#include "nlohmann/json.hpp"

namespace walden::cli {

void AddTransferOptions(Command command, TransferOptions& options) {
  command.Add("--data-dir", options.data_directory, "The daemon's data_dir")
      .Value("DIR")
      .Required();
  command.Add("--namespace", options.namespace_name, "Namespace by id, 1 to 255, or by name")
      .Check(NamespaceIdOrName())
      .Value("ID|NAME")
      .Required();
  command
      .Add("--namespace-id", options.namespace_id,
           "Id of the namespace in the configuration, if its files name none (default 1; of\n"
           "`restore` the backup's)")
      .Check(Number(1, 255))
      .Value("ID");
  command
      .Add("--segment-size", options.segment_size_bytes,
           "Engine segment: segment_size of the namespace (default 64MiB)")
      .Check(ByteSize(uint64_t{1} << 20, uint64_t{1} << 30))
      .Value("SIZE");
}

absl::Status FindNamespace(TransferOptions& options, MustExist must_exist) {
  const auto choose = must_exist == MustExist::kYes ? ChooseStoredNamespace : ChooseNamespace;
  const auto chosen = choose(options.data_directory, options.namespace_name);
  if (!chosen.ok()) return chosen.status();
  if (chosen->id != 0 && options.namespace_id != 0 && chosen->id != options.namespace_id) {
    return Failure(
        absl::StatusCode::kInvalidArgument, kReasonBadInput,
        absl::StrCat("namespace ", chosen->name, " in ", options.data_directory, " has id ",
                     chosen->id, ", and --namespace-id is ", options.namespace_id));
  }
  options.namespace_name = chosen->name;
  if (chosen->id != 0) options.namespace_id = chosen->id;
  return absl::OkStatus();
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
                      {"description", damage.reason}});
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
      absl::StrAppend(&text, damage.first == damage.last ? "record " : "records ",
                      RangeText(damage.first, damage.last), " may be lost");
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
