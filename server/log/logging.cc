#include "server/log/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
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

// Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = 1;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;   // overlong
    if (first == 0xED) high = 0x9F;  // surrogates
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;   // overlong
    if (first == 0xF4) high = 0x8F;  // above U+10FFFF
  } else {
    return 0;
  }
  if (text.size() < length || byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

// https://www.rfc-editor.org/rfc/rfc8259#section-7; bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(absl::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const char c = text[0];
    if (length == 0) {
      out->append("\xEF\xBF\xBD");
    } else if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(out, "\\u%04x", c);
    } else {
      absl::StrAppend(out, text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out->push_back('"');
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
  for (const LogField& field : fields) absl::StrAppend(&line, " ", FormatLogField(field));
  return line;
}

std::string FormatLogJson(absl::string_view event, LogFields fields) {
  std::string line = "\"event\":";
  AppendJsonString(event, &line);
  for (const LogField& field : fields) {
    line.push_back(',');
    AppendJsonString(field.key, &line);
    line.push_back(':');
    if (const auto* text = std::get_if<std::string>(&field.value)) {
      AppendJsonString(*text, &line);
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
