// The daemon's log: one line per event on stderr, as text (key=value) or as JSON.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace walden {

enum class LogSeverity { kTrace, kDebug, kInfo, kWarning, kError };
enum class LogStyle { kText, kJson };

// To be called once, before threads that log are started.
void StartLogging(LogSeverity lowest, LogStyle style);

// Sets the lowest severity that is written. Any thread.
void SetLogLevel(LogSeverity lowest);

struct LogField {
  LogField(absl::string_view k, absl::string_view v) : key(k), value(std::string(v)) {}
  LogField(absl::string_view k, const char* v) : key(k), value(std::string(v)) {}
  template <typename T, typename = std::enable_if_t<std::is_integral_v<T>>>
  LogField(absl::string_view k, T v) : key(k), value(static_cast<uint64_t>(v)) {}
  LogField(absl::string_view k, double v) : key(k), value(v) {}
  // Left out of the line if the status is OK.
  LogField(absl::string_view k, const absl::Status& v) : key(k) {
    if (!v.ok()) value = v.ToString();
  }

  absl::string_view key;                                              // a literal
  std::variant<std::monostate, std::string, uint64_t, double> value;  // monostate: left out
};

using LogFields = std::initializer_list<LogField>;

// Any thread. `event` is a short constant text; what varies belongs in the fields. Warnings and
// errors go to RecentEvents too, whatever the lowest severity is: nothing secret may be in them.
void Log(LogSeverity severity, absl::string_view event, LogFields fields = {});

// "key=value", the value quoted if it must be. Empty for a field that is left out.
std::string FormatLogField(const LogField& field);

// The text that Log adds after a line's time and level; exposed for tests.
std::string FormatLogText(absl::string_view event, LogFields fields);
std::string FormatLogJson(absl::string_view event, LogFields fields);

}  // namespace walden
