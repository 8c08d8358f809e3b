// HTTP requests of the metrics port and their responses.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace walden {

// A GET or HEAD request. Its body is ignored.
struct HttpRequest {
  std::string path;   // as it was sent: "/status.json"
  std::string query;  // what follows the question mark, as it was sent
  bool head = false;  // only the answer's headers are wanted
  std::string host;   // of the Host header; empty without one
};

struct HttpResponse {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  // The sources from which a browser may load parts of the page; none by default.
  std::string content_security_policy = "default-src 'none'; frame-ancestors 'none'";
  std::string body;
};

// Whether `received` holds all of a request's header.
bool IsWholeRequest(absl::string_view received);

// Parses the request line and the Host header, and ignores the other headers. nullopt if the
// request is refused. `refused` is then the status: 400 if it is no HTTP/1 request for a path or
// has several Host headers, 405 for another method, 505 for another version.
std::optional<HttpRequest> ParseHttpRequest(absl::string_view header, HttpResponse* refused);

// Encodes the response as it is sent. The connection closes after it.
std::string FormatHttpResponse(const HttpResponse& response, bool head);

}  // namespace walden
