// A client that sends exactly what it is told, as no decent one would.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace walden {

// One connection to "127.0.0.1:<port>". What fails, fails the test.
class HttpClient {
 public:
  explicit HttpClient(const std::string& address);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // False if the other end did not take all of it.
  bool Send(absl::string_view bytes);

  // Everything until the other end closes.
  std::string ReadAll();

 private:
  int socket_ = -1;
};

// The whole answer to "GET <path>".
std::string HttpGet(const std::string& address, absl::string_view path);

// What follows the header.
std::string BodyOf(absl::string_view response);

}  // namespace walden
