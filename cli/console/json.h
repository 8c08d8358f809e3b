// JSON for programs: one object per line, numbers as numbers (u64 too: parse them as integers).
//
// Everything here is safe from any thread. Json is only
// declared here, because its header takes seconds to compile. Code that makes a Json or looks into
// one includes nlohmann/json.hpp.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "nlohmann/json_fwd.hpp"

namespace walden::cli {

// Keys stay in the order in which they were set.
using Json = nlohmann::ordered_json;

// Sets `name` to the bytes as text when they are UTF-8, else `name`_base64 to their base64.
void SetBytes(Json& object, const std::string& name, absl::string_view bytes);

// Every field by its name in the .proto file, those with default values too; absent messages and
// absent optional fields are left out. Enums are their names, bytes as SetBytes puts them. A
// Timestamp is "2026-11-30T15:04:05.5Z", a Duration "1.5s", a google.rpc.Status as ErrorJson makes it.
Json ToJson(const google::protobuf::Message& message);

// The object and a newline. Text that is not UTF-8 gets replacement characters.
std::string JsonLine(const Json& object);

}  // namespace walden::cli
