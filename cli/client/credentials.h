// How the client shows who it is, and whom it trusts.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/channel_arguments.h"

namespace walden::cli {

// As given by options or variables; empty: not given.
struct CredentialOptions {
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  std::string tls_server_name;
  std::string token_file;
};

// A unix socket never uses TLS.
bool UsesTls(const CredentialOptions& options, absl::string_view address);

// The contents of the files.
struct Credentials {
  bool tls = false;
  std::string authorities;
  std::string certificate;
  std::string key;
  std::string server_name;  // empty: the address's
  std::string token;        // empty: none
};

// For `address`. INVALID_ARGUMENT and errors of files name the
// option; none repeats what a file holds. A token is refused for a plain connection to another
// machine.
absl::StatusOr<Credentials> LoadCredentials(const CredentialOptions& options,
                                            absl::string_view address);

// A token as a file or standard input holds it: one line of 32 to 1024 graphic ASCII characters.
// `name`: of where it came from, for errors, which do not repeat it.
absl::StatusOr<std::string> CheckToken(absl::string_view text, absl::string_view name);

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const Credentials& credentials,
                                           grpc::ChannelArguments options);

}  // namespace walden::cli
