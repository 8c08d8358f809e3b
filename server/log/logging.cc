#include "server/log/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "nlohmann/json.hpp"
#include "server/log/recent_events.h"

namespace walden {
namespace {

std::atomic<LogStyle> log_style{LogStyle::kText};

spdlog::level::level_enum ToSpdlog(LogSeverity severity) {
  switch (severity) {
    case LogSeverity::kTrace:
      return spdlog::level::trace;
    case LogSeverity::kDebug:
      return spdlog::level::debug;
    case LogSeverity::kInfo:
      return spdlog::level::info;
    case LogSeverity::kWarning:
      return spdlog::level::warn;
    case LogSeverity::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

// `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
std::string JsonString(absl::string_view text) {
  const nlohmann::json string = std::string(text);
  return string.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool NeedsQuotes(absl::string_view text) {
  if (text.empty()) return true;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) return true;
  }
  return false;
}

}  // namespace

void StartLogging(LogSeverity lowest, LogStyle style) {
  auto logger =
      std::make_shared<spdlog::logger>("walden", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(ToSpdlog(lowest));
  logger->flush_on(spdlog::level::trace);
  const char* const pattern = style == LogStyle::kJson
                                  ? "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%v}"
                                  : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
  logger->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  log_style = style;
  spdlog::set_default_logger(std::move(logger));
}

void SetLogLevel(LogSeverity lowest) { spdlog::default_logger_raw()->set_level(ToSpdlog(lowest)); }

std::string FormatLogField(const LogField& field) {
  if (std::holds_alternative<std::monostate>(field.value)) return "";
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    if (!NeedsQuotes(*text)) return absl::StrCat(field.key, "=", *text);
    return absl::StrCat(field.key, "=\"", absl::Utf8SafeCEscape(*text), "\"");
  }
  if (const auto* number = std::get_if<uint64_t>(&field.value)) {
    return absl::StrCat(field.key, "=", *number);
  }
  return absl::StrCat(field.key, "=", std::get<double>(field.value));
}

std::string FormatLogText(absl::string_view event, LogFields fields) {
  std::string line(event);
  for (const LogField& field : fields) {
    const std::string text = FormatLogField(field);
    if (!text.empty()) absl::StrAppend(&line, " ", text);
  }
  return line;
}

std::string FormatLogJson(absl::string_view event, LogFields fields) {
  std::string line = absl::StrCat("\"event\":", JsonString(event));
  for (const LogField& field : fields) {
    if (std::holds_alternative<std::monostate>(field.value)) continue;
    absl::StrAppend(&line, ",", JsonString(field.key), ":");
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      line += JsonString(*text);
    } else if (const auto* number = std::get_if<uint64_t>(&field.value)) {
      absl::StrAppend(&line, *number);
    } else {
      absl::StrAppend(&line, std::get<double>(field.value));
    }
  }
  return line;
}

void Log(LogSeverity severity, absl::string_view event, LogFields fields) {
  if (severity >= LogSeverity::kWarning) {
    RecentEvents::OfProcess()->Add(WallClock::Real()->UnixMillis(), severity, event, fields);
  }
  spdlog::logger* const logger = spdlog::default_logger_raw();
  const spdlog::level::level_enum level = ToSpdlog(severity);
  if (!logger->should_log(level)) return;
  const std::string line =
      log_style == LogStyle::kJson ? FormatLogJson(event, fields) : FormatLogText(event, fields);
  logger->log(level, spdlog::string_view_t(line));
}

}  // namespace walden
