// Reads values of JSON objects that a user gives. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/console/json.h"

namespace walden::cli {

// INVALID_ARGUMENT (BAD_INPUT).
absl::Status BadJson(absl::string_view problem);

// Copies a string. BadJson names the field `name` if the value is none.
absl::Status TakeBytes(const Json& value, const std::string& name, std::string* to);

// Decodes a string of base64. BadJson names the field `name` if the value is none.
absl::Status TakeBase64(const Json& value, const std::string& name, std::string* to);

}  // namespace walden::cli
