#include "cli/console/json.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "base/utf8.h"
#include "cli/console/failure.h"
#include "cli/console/message_times.h"
#include "cli/console/units.h"
#include "google/protobuf/descriptor.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "1.5s", as protobuf's own JSON has durations.
std::string DurationText(const google::protobuf::Duration& duration) {
  const bool negative = duration.seconds() < 0 || duration.nanos() < 0;
  std::string text = absl::StrFormat("%s%d", negative ? "-" : "", std::abs(duration.seconds()));
  if (duration.nanos() != 0) {
    absl::StrAppendFormat(&text, ".%09d", std::abs(duration.nanos()));
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text + "s";
}

// Times and durations are text, other messages objects. Errors are those of ErrorJson.
Json MessageValue(const Message& message) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message)) {
    return FormatMoment(TimeOf(*time));
  }
  if (const auto* duration = dynamic_cast<const google::protobuf::Duration*>(&message)) {
    return DurationText(*duration);
  }
  if (const auto* error = dynamic_cast<const google::rpc::Status*>(&message)) {
    return ErrorJson(FromRpcStatus(*error));
  }
  return ToJson(message);
}

// One value, or the i-th of a repeated field.
Json ValueOf(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  const bool repeated = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT64:
      return repeated ? reflection.GetRepeatedUInt64(message, &field, index)
                      : reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return repeated ? reflection.GetRepeatedUInt32(message, &field, index)
                      : reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return repeated ? reflection.GetRepeatedInt64(message, &field, index)
                      : reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return repeated ? reflection.GetRepeatedInt32(message, &field, index)
                      : reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return repeated ? reflection.GetRepeatedBool(message, &field, index)
                      : reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return repeated ? reflection.GetRepeatedFloat(message, &field, index)
                      : reflection.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return repeated ? reflection.GetRepeatedDouble(message, &field, index)
                      : reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = repeated ? reflection.GetRepeatedEnumValue(message, &field, index)
                                  : reflection.GetEnumValue(message, &field);
      const auto* value = field.enum_type()->FindValueByNumber(number);
      return value == nullptr ? Json(number) : Json(value->name());
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return repeated ? reflection.GetRepeatedString(message, &field, index)
                      : reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageValue(repeated ? reflection.GetRepeatedMessage(message, &field, index)
                                   : reflection.GetMessage(message, &field));
  }
  return nullptr;
}

// Programs that keep every number in a double read integers above 2^53 as others.
constexpr uint64_t kMaxExactInteger = uint64_t{1} << 53;

Json WithExactNumbers(const Json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > kMaxExactInteger) {
    return std::to_string(value.get<uint64_t>());
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) {
    const auto number = value.get<int64_t>();
    constexpr auto kMost = static_cast<int64_t>(kMaxExactInteger);
    if (number > kMost || number < -kMost) return std::to_string(number);
  }
  if (!value.is_structured()) return value;
  Json copy = value.is_array() ? Json::array() : Json::object();
  for (const auto& [name, member] : value.items()) {
    if (value.is_array()) {
      copy.push_back(WithExactNumbers(member));
    } else {
      copy[name] = WithExactNumbers(member);
    }
  }
  return copy;
}

}  // namespace

void SetBytes(Json& object, const std::string& name, absl::string_view bytes) {
  if (IsValidUtf8(bytes)) {
    object[name] = std::string(bytes);
  } else {
    object[name + "_base64"] = absl::Base64Escape(bytes);
  }
}

Json ToJson(const Message& message) {
  Json object = Json::object();
  const auto& descriptor = *message.GetDescriptor();
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (field.is_repeated()) {
      Json values = Json::array();
      for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
        values.push_back(ValueOf(message, field, k));
      }
      object[field.name()] = std::move(values);
      continue;
    }
    if (field.has_presence() && !reflection.HasField(message, &field)) continue;
    if (field.type() == FieldDescriptor::TYPE_BYTES) {
      SetBytes(object, field.name(), reflection.GetString(message, &field));
    } else {
      object[field.name()] = ValueOf(message, field, 0);
    }
  }
  return object;
}

std::string JsonLine(const Json& object) {
  return WithExactNumbers(object).dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace walden::cli
