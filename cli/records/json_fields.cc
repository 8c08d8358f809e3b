#include "cli/records/json_fields.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cli/console/failure.h"
#include "nlohmann/json.hpp"

namespace walden::cli {

absl::Status BadJson(absl::string_view problem) {
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput, problem);
}

absl::Status TakeBytes(const Json& value, const std::string& name, std::string* to) {
  if (!value.is_string()) return BadJson(absl::StrCat("\"", name, "\" is not a string"));
  *to = value.get<std::string>();
  return absl::OkStatus();
}

absl::Status TakeBase64(const Json& value, const std::string& name, std::string* to) {
  std::string text;
  if (absl::Status taken = TakeBytes(value, name, &text); !taken.ok()) return taken;
  return absl::Base64Unescape(text, to) ? absl::OkStatus()
                                        : BadJson(absl::StrCat("\"", name, "\" is not base64"));
}

}  // namespace walden::cli
