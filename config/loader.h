// Reads the daemon's configuration and refuses what is wrong in it.
//
// Settings, weakest first: defaults, file, environment, command line. Anything unknown, of the
// wrong type or unit, out of range or contradictory is refused with file and line (or the
// variable's or option's name), key, value and what is allowed; every problem is reported, not only
// the first.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "config/config.h"

namespace walden {

// The origin of each setting that was set, by its path: "namespaces[0].segment_size" ->
// "waldend.yaml:12", "WALDEN_DATA_DIR" or "--data-dir".
using ConfigOrigins = std::map<std::string, std::string>;

struct LoadedConfig {
  Config config;
  ConfigOrigins origins;
};

// A setting given on the command line.
struct CommandLineSetting {
  std::string key;                  // "listen", "limits.max_batch_bytes"
  std::vector<std::string> values;  // one, or for a list all of them
  std::string origin;               // the option, "--listen", for messages
};

// Environment variables, by name.
using Environment = std::map<std::string, std::string>;

// The process's variables whose names begin with WALDEN_. A field's variable is its path in
// capitals: limits.max_batch_bytes is WALDEN_LIMITS_MAX_BATCH_BYTES; a list's items are separated
// by commas. Namespaces are set in a file only. Left out: WALDEN_ADDRESS, WALDEN_CONFIG,
// WALDEN_TLS_* and WALDEN_TOKEN_FILE (read by programs themselves), WALDEN_TEST_*, and the service
// links that Kubernetes sets in every pod beside services named walden or walden-... (see
// service_links.h).
Environment WaldenEnvironment();

// Loads the file, or without a file the embedded default, and applies the other settings.
// INVALID_ARGUMENT: one line per problem. NOT_FOUND, PERMISSION_DENIED, ...: the file cannot be
// read.
absl::StatusOr<LoadedConfig> LoadConfig(const std::optional<std::string>& file,
                                        const Environment& environment,
                                        const std::vector<CommandLineSetting>& command_line = {});

// Loads `text` as the contents of a file called `file_name`.
absl::StatusOr<LoadedConfig> LoadConfigText(
    absl::string_view text, absl::string_view file_name, const Environment& environment = {},
    const std::vector<CommandLineSetting>& command_line = {});

}  // namespace walden
