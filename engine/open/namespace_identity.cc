#include "engine/open/namespace_identity.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "engine/common/directory_owner.h"
#include "engine/rocksdb/companion/companion_file.h"
#include "engine/segment/metadata_codec.h"
#include "engine/segment/region_scan.h"

namespace walden {
namespace {

struct Identity {
  uint64_t id = 0;
  std::string name;
};

std::optional<Identity> OfSegments(FileSystem* files, const std::string& directory) {
  const auto names = files->ListDirectory(directory);
  if (!names.ok()) return std::nullopt;
  for (const std::string& name : *names) {
    const auto file =
        files->OpenFile(absl::StrCat(directory, "/", name, "/", segment::kMetadataFileName),
                        FileSystem::OpenMode::kReadOnly);
    if (!file.ok()) continue;
    const auto found = segment::ReadMetadataIdentity(**file);
    if (found.ok() && found->has_value()) {
      return Identity{(*found)->namespace_id, (*found)->namespace_name};
    }
  }
  return std::nullopt;
}

std::optional<Identity> IdentityOf(FileSystem* files, const std::string& directory) {
  const auto engine = DetectDirectoryOwner(files, directory);
  if (!engine.ok() || *engine == DirectoryOwner::kNone) return std::nullopt;
  if (*engine == DirectoryOwner::kSegment) return OfSegments(files, directory);
  const auto companion = rocks::ReadCompanion(files, directory, directory);
  if (!companion.ok() || !companion->has_value()) return std::nullopt;
  return Identity{(*companion)->namespace_id, (*companion)->namespace_name};
}

}  // namespace

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
    const auto other = IdentityOf(files, absl::StrCat(data_directory, "/", name));
    if (!other || other->id != id || other->name != name) continue;
    return MakeError(
        absl::StatusCode::kFailedPrecondition, ErrorReason::kWrongNamespace,
        absl::StrCat(data_directory, "/", name, " holds namespace ", name, " with id ", other->id,
                     ", and the configuration gives this id to namespace ", namespace_name,
                     ", of which nothing is stored: give it the name ", name,
                     " again, or an id of its own"),
        {{"file", absl::StrCat(data_directory, "/", name)},
         {"found", absl::StrCat(name, " (id ", other->id, ")")},
         {"configured", absl::StrCat(namespace_name, " (id ", static_cast<int>(id), ")")}});
  }
  return absl::OkStatus();
}

}  // namespace walden
