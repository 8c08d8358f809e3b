#include "server/daemon/start_check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/net/listening_socket.h"
#include "server/security/guard.h"
#include "server/security/network_exposure_check.h"

namespace walden {
namespace {

// Returns the directory or its nearest existing ancestor. A start makes the directories in between.
absl::Status CheckDataDirectory(std::string path) {
  const std::string wanted = path;
  struct stat info = {};
  while (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) {
      return absl::InvalidArgumentError(absl::StrCat(wanted, ": ", std::strerror(errno)));
    }
    const size_t slash = path.rfind('/');
    path = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a directory"));
  }
  if (::access(path.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " cannot be written: ", std::strerror(errno)));
}

}  // namespace

StartCheck CheckStart(const Config& config) {
  StartCheck found;
  const auto note = [](std::vector<std::string>& in, const std::string& key,
                       const absl::Status& status) {
    if (!status.ok()) in.push_back(absl::StrCat(key, status.message()));
  };
  note(found.refused, "", CheckNetworkExposure(config));
  for (size_t i = 0; i < config.listen.size(); ++i) {
    note(found.refused, absl::StrCat("listen[", i, "]: "),
         ListeningSocket::Check(config.listen[i]));
  }
  note(found.refused, "", Guard::Start(config).status());
  note(found.refused, "data_dir: ", CheckDataDirectory(config.data_dir));
  for (size_t i = 0; i < config.metrics.listen.size(); ++i) {
    note(found.worked_around, absl::StrCat("metrics.listen[", i, "]: "),
         ListeningSocket::Check(config.metrics.listen[i], "metrics.listen"));
  }
  return found;
}

}  // namespace walden
