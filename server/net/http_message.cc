#include "server/net/http_message.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace walden {
namespace {

absl::string_view ReasonPhrase(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Internal Server Error";
  }
}

// The values of all Host headers.
std::vector<absl::string_view> HostsOf(absl::string_view header) {
  std::vector<absl::string_view> hosts;
  for (absl::string_view line : absl::StrSplit(header, '\n')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (absl::EqualsIgnoreCase(field.first, "host")) {
      hosts.push_back(absl::StripAsciiWhitespace(field.second));
    }
  }
  return hosts;
}

}  // namespace

bool IsWholeRequest(absl::string_view received) {
  return absl::StrContains(received, "\r\n\r\n") || absl::StrContains(received, "\n\n");
}

std::optional<HttpRequest> ParseHttpRequest(absl::string_view header, HttpResponse* refused) {
  const auto refuse = [refused](int code, absl::string_view why) {
    refused->code = code;
    refused->body = absl::StrCat(why, "\n");
    return std::nullopt;
  };
  absl::string_view line = header.substr(0, header.find('\n'));
  if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !absl::StartsWith(words[2], "HTTP/")) {
    return refuse(400, "the request is not HTTP");
  }
  if (!absl::StartsWith(words[2], "HTTP/1.")) {
    return refuse(505, "only HTTP/1.0 and HTTP/1.1 are supported");
  }
  if (words[0] != "GET" && words[0] != "HEAD") {
    return refuse(405, "only GET and HEAD are supported");
  }
  if (!absl::StartsWith(words[1], "/")) return refuse(400, "the path must begin with a slash");
  const std::vector<absl::string_view> hosts = HostsOf(header);
  if (hosts.size() > 1) return refuse(400, "there is more than one Host header");
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(words[1], absl::MaxSplits('?', 1));
  return HttpRequest{.path = std::string(target.first),
                     .query = std::string(target.second),
                     .head = words[0] == "HEAD",
                     .host = hosts.empty() ? "" : std::string(hosts[0])};
}

std::string FormatHttpResponse(const HttpResponse& response, bool head) {
  std::string text = absl::StrCat(
      "HTTP/1.1 ", response.code, " ", ReasonPhrase(response.code),
      "\r\nContent-Type: ", response.content_type, "\r\nContent-Length: ", response.body.size(),
      "\r\nContent-Security-Policy: ", response.content_security_policy,
      "\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer"
      "\r\nCache-Control: no-store\r\nConnection: close\r\n");
  if (response.code == 405) absl::StrAppend(&text, "Allow: GET, HEAD\r\n");
  absl::StrAppend(&text, "\r\n");
  if (!head) absl::StrAppend(&text, response.body);
  return text;
}

}  // namespace walden
