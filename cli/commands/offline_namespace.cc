#include "cli/commands/offline_namespace.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/nearest_name.h"
#include "cli/console/failure.h"
#include "cli/console/units.h"
#include "cli/reports/region_inspection.h"
#include "engine/common/directory_owner.h"
#include "engine/io/posix_file_system.h"
#include "engine/open/namespace_identity.h"

namespace walden::cli {
namespace {

// "default (id 1), archive (id 2)"
std::string Listed(const std::vector<NamespaceIdentity>& stored) {
  return absl::StrJoin(stored, ", ", [](std::string* to, const NamespaceIdentity& one) {
    absl::StrAppend(to, one.name, " (id ", static_cast<int>(one.id), ")");
  });
}

absl::Status NoSuchId(const std::string& data_directory, uint64_t id,
                      const std::vector<NamespaceIdentity>& stored) {
  return Failure(
      absl::StatusCode::kNotFound, kReasonBadInput,
      absl::StrCat(data_directory, " has no namespace with id ", id,
                   stored.empty() ? "; give its name" : absl::StrCat("; it has ", Listed(stored))));
}

// Whether the data directory has a directory of the namespace, also in the middle of a migration. A
// directory that cannot be looked at counts as there: the engine reports the error.
bool HasDirectory(const std::string& data_directory, const std::string& name) {
  const absl::string_view suffixes[] = {"", kMigratingSuffix, kBeforeMigrationSuffix};
  return std::any_of(std::begin(suffixes), std::end(suffixes), [&](absl::string_view suffix) {
    const std::string path = absl::StrCat(data_directory, "/", name, suffix);
    return !absl::IsNotFound(PosixFileSystem()->KindOf(path).status());
  });
}

// The names of the directories that an engine made.
std::vector<std::string> NamesInDirectory(const std::string& data_directory) {
  std::vector<std::string> names;
  const auto entries = PosixFileSystem()->ListDirectory(data_directory);
  for (const std::string& entry : entries.value_or(std::vector<std::string>())) {
    const auto owner =
        DetectDirectoryOwner(PosixFileSystem(), absl::StrCat(data_directory, "/", entry));
    if (owner.ok() && *owner != DirectoryOwner::kNone) names.push_back(entry);
  }
  return names;
}

absl::Status NoSuchName(const std::string& data_directory, const std::string& name) {
  const auto stored = StoredNamespaces(PosixFileSystem(), data_directory);
  if (!stored.ok()) return FromEngine(stored.status());
  std::string advice = DidYouMean(name, NamesInDirectory(data_directory));
  if (advice.empty() && !stored->empty()) advice = absl::StrCat("; it has ", Listed(*stored));
  return Failure(absl::StatusCode::kNotFound, kReasonBadInput,
                 absl::StrCat(data_directory, " has no namespace \"", name, "\"", advice));
}

absl::Status BadChoice(absl::string_view problem) {
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput, problem);
}

}  // namespace

absl::StatusOr<ChosenNamespace> ChooseNamespace(const std::string& data_directory,
                                                absl::string_view id_or_name) {
  const auto id = ParseNumber(id_or_name);
  const auto stored = StoredNamespaces(PosixFileSystem(), data_directory);
  // The directory may still have to be made for a namespace that is given by name.
  if (!stored.ok() && (id.has_value() || !absl::IsNotFound(stored.status()))) {
    return FromEngine(stored.status());
  }
  if (stored.ok()) {
    for (const NamespaceIdentity& one : *stored) {
      if (id.has_value() ? one.id == *id : one.name == id_or_name) {
        return ChosenNamespace{one.name, one.id};
      }
    }
  }
  if (id.has_value()) return NoSuchId(data_directory, *id, *stored);
  return ChosenNamespace{std::string(id_or_name), 0};
}

absl::StatusOr<ChosenNamespace> ChooseStoredNamespace(const std::string& data_directory,
                                                      absl::string_view id_or_name) {
  auto chosen = ChooseNamespace(data_directory, id_or_name);
  if (!chosen.ok() || chosen->id != 0 || HasDirectory(data_directory, chosen->name)) return chosen;
  return NoSuchName(data_directory, chosen->name);
}

void AddDirectoryChoice(Command command, DirectoryChoice& choice, const std::string& description,
                        WithRegion with_region) {
  const Option path = command.Add("directory", choice.path, description).Value("DIR");
  const Option data = command
                          .Add("--data-dir", choice.data_directory,
                               "Instead of DIR: the daemon's data_dir, with --namespace")
                          .Value("DIR")
                          .Excludes(path);
  const Option space =
      command.Add("--namespace", choice.id_or_name, "Namespace by id, 1 to 255, or by name")
          .Check(NamespaceIdOrName())
          .Value("ID|NAME")
          .Needs(data);
  data.Needs(space);
  if (with_region == WithRegion::kNo) return;
  command.Add("-r,--region", choice.region, "Region id; engine segment needs it")
      .Check(Number())
      .Value("ID")
      .Needs(data);
}

absl::StatusOr<std::string> ChosenDirectory(const DirectoryChoice& choice, WithRegion with_region) {
  if (choice.data_directory.empty()) {
    absl::string_view path = choice.path;
    if (path.empty()) return BadChoice("give the directory, or --data-dir and --namespace");
    while (path.size() > 1 && absl::ConsumeSuffix(&path, "/")) continue;
    return std::string(path);
  }
  const auto chosen = ChooseStoredNamespace(choice.data_directory, choice.id_or_name);
  if (!chosen.ok()) return chosen.status();
  const std::string directory = absl::StrCat(choice.data_directory, "/", chosen->name);
  if (with_region == WithRegion::kNo) return directory;
  const auto owner = DetectDirectoryOwner(PosixFileSystem(), directory);
  if (!owner.ok()) return FromEngine(owner.status());
  if (*owner == DirectoryOwner::kRocksdb) return directory;
  if (!choice.region.has_value()) {
    return BadChoice(absl::StrCat(directory, " is of engine segment: give --region"));
  }
  return absl::StrCat(directory, "/", *choice.region);
}

}  // namespace walden::cli
