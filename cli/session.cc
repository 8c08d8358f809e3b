#include "cli/session.h"

#include "absl/strings/str_cat.h"
#include "cli/console/json.h"
#include "nlohmann/json.hpp"

namespace walden::cli {

Connection& Session::connection() {
  if (connection_ == nullptr) {
    std::optional<absl::Duration> timeout;
    if (common_.timeout_millis.has_value()) {
      timeout = absl::Milliseconds(static_cast<int64_t>(*common_.timeout_millis));
    }
    connection_ = std::make_unique<Connection>(common_.address, credentials_, timeout, interrupt_);
  }
  return *connection_;
}

void Session::Note(absl::string_view line) {
  if (json()) return;
  (void)err_.Write(absl::StrCat(line, "\n"));
  (void)err_.Flush();
}

absl::Status Session::PrintJson(const Json& object) { return out_.Write(JsonLine(object)); }

absl::Status Session::PrintMessage(const google::protobuf::Message& message) {
  return out_.Write(JsonLine(ToJson(message)));
}

}  // namespace walden::cli
