#include "engine/open/namespace_identity.h"

#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/region_scan.h"

namespace walden {
namespace {

std::optional<NamespaceIdentity> OfSegments(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return std::nullopt;
  for (const std::string& name : *names) {
    const auto file =
        files->OpenFile(absl::StrCat(directory, "/", name, "/", segment::kMetadataFileName),
                        FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) continue;
    const auto found = segment::ReadMetadataIdentity(**file);
    if (found.ok() && found->has_value()) {
      return NamespaceIdentity{(*found)->namespace_id, (*found)->namespace_name};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<NamespaceIdentity> StoredIdentity(FileSystem* files, const std::string& directory) {
  const auto engine = DetectDirectoryOwner(files, directory);
  if (!engine.ok() || *engine == DirectoryOwner::kNone) return std::nullopt;
  if (*engine == DirectoryOwner::kSegment) return OfSegments(files, directory);
  const auto companion = rocks::ReadCompanion(files, directory, directory);
  if (!companion.ok() || !companion->has_value()) return std::nullopt;
  return NamespaceIdentity{(*companion)->namespace_id, (*companion)->namespace_name};
}

absl::StatusOr<std::vector<NamespaceIdentity>> StoredNamespaces(FileSystem* files,
                                                                const std::string& data_directory) {
  const auto names = files->ListDirectory(data_directory);
  if (!names.ok()) return names.status();
  std::map<std::string, NamespaceId> found;
  for (const std::string& directory : *names) {
    absl::string_view name = directory;
    // A copy of the directory under another name is not the namespace.
    if (!absl::ConsumeSuffix(&name, kMigratingSuffix)) {
      absl::ConsumeSuffix(&name, kBeforeMigrationSuffix);
    }
    const auto identity = StoredIdentity(files, absl::StrCat(data_directory, "/", directory));
    if (identity && identity->name == name) found.emplace(identity->name, identity->id);
  }
  std::vector<NamespaceIdentity> namespaces;
  for (const auto& [name, id] : found) namespaces.push_back({id, name});
  return namespaces;
}

absl::Status CheckIdIsNotElsewhere(FileSystem* files, const std::string& data_directory,
                                   const std::string& namespace_name, NamespaceId id) {
  const std::string own = absl::StrCat(data_directory, "/", namespace_name);
  const auto stored = DetectDirectoryOwner(files, own);
  // Opening the namespace reports the error.
  if (!stored.ok() || *stored != DirectoryOwner::kNone) return absl::OkStatus();
  const auto names = files->ListDirectory(data_directory);
  if (!names.ok()) return absl::OkStatus();
  for (const std::string& name : *names) {
    if (name == namespace_name) continue;
    const auto other = StoredIdentity(files, absl::StrCat(data_directory, "/", name));
    if (!other || other->id != id || other->name != name) continue;
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
        absl::StrCat(data_directory, "/", name, " holds namespace ", name, " with id ",
                     static_cast<int>(other->id),
                     ", and the configuration gives this id to namespace ", namespace_name,
                     ", of which nothing is stored: give it the name ", name,
                     " again, or an id of its own"),
        {{"file", absl::StrCat(data_directory, "/", name)},
         {"found", absl::StrCat(name, " (id ", static_cast<int>(other->id), ")")},
         {"configured", absl::StrCat(namespace_name, " (id ", static_cast<int>(id), ")")}});
  }
  return absl::OkStatus();
}

}  // namespace walden
