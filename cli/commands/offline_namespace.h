// How the offline commands choose a namespace in a data directory: by --namespace, with its id or
// its name, as the commands with a daemon do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/commands/command.h"

namespace walden::cli {

struct ChosenNamespace {
  std::string name;
  uint64_t id = 0;  // 0: the files name none, or there are none
};

// The namespace that `id_or_name` means. An id must be stored in the data directory (otherwise
// NOT_FOUND, with what is stored); a name need not.
absl::StatusOr<ChosenNamespace> ChooseNamespace(const std::string& data_directory,
                                                absl::string_view id_or_name);

// As ChooseNamespace, for a namespace that must be there: a name without a directory is NOT_FOUND,
// with the stored name that it may mean.
absl::StatusOr<ChosenNamespace> ChooseStoredNamespace(const std::string& data_directory,
                                                      absl::string_view id_or_name);

// A directory of a namespace or of a region, given by its path, or by --data-dir and --namespace,
// and --region where that is wanted.
struct DirectoryChoice {
  std::string path;
  std::string data_directory;
  std::string id_or_name;
  std::optional<uint64_t> region;
};

enum class WithRegion { kNo, kYes };
void AddDirectoryChoice(Command command, DirectoryChoice& choice, const std::string& description,
                        WithRegion with_region);

// The path, without trailing slashes. With --data-dir, a region's directory for engine segment and
// the namespace's for engine rocksdb if `with_region`, otherwise the namespace's.
absl::StatusOr<std::string> ChosenDirectory(const DirectoryChoice& choice, WithRegion with_region);

}  // namespace walden::cli
