// What the tests of the configuration share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "config/loader.h"

namespace walden {

inline LoadedConfig MustLoad(absl::string_view text, const Environment& environment = {},
                             const std::vector<CommandLineSetting>& command_line = {}) {
  absl::StatusOr<LoadedConfig> loaded = LoadConfigText(text, "w.yaml", environment, command_line);
  if (!loaded.ok()) {
    ADD_FAILURE() << "refused:\n" << loaded.status();
    return {};
  }
  return *std::move(loaded);
}

// The problems found, one line each; empty if it was accepted.
inline std::vector<std::string> Problems(absl::string_view text,
                                         const Environment& environment = {},
                                         const std::vector<CommandLineSetting>& command_line = {}) {
  const absl::StatusOr<LoadedConfig> loaded =
      LoadConfigText(text, "w.yaml", environment, command_line);
  if (loaded.ok()) return {};
  EXPECT_EQ(loaded.status().code(), absl::StatusCode::kInvalidArgument);
  return absl::StrSplit(std::string(loaded.status().message()), '\n');
}

}  // namespace walden
