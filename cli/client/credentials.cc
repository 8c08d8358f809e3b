#include "cli/client/credentials.h"

#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/console/failure.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/client_interceptor.h"

namespace walden::cli {
namespace {

constexpr size_t kMinTokenBytes = 32;
constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kMaxFileBytes = size_t{1} << 20;

absl::Status BadOption(absl::string_view option, absl::string_view problem) {
  return Failure(absl::StatusCode::kInvalidArgument, kReasonBadInput,
                 absl::StrCat(option, ": ", problem));
}

absl::StatusOr<std::string> ReadFile(absl::string_view option, const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  const std::string context = absl::StrCat(option, " ", path);
  if (file == nullptr) return FileFailure(errno, context);
  std::string text(kMaxFileBytes + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return FileFailure(errno, context);
  if (text.size() > kMaxFileBytes) return BadOption(context, "the file is above 1MiB");
  return text;
}

absl::StatusOr<std::string> ReadPem(absl::string_view option, const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(option, path);
  if (!text.ok()) return text;
  if (!absl::StrContains(*text, "-----BEGIN ")) {
    return BadOption(absl::StrCat(option, " ", path), "the file is not PEM");
  }
  return text;
}

bool IsThisMachine(absl::string_view address) {
  const absl::string_view host = address.substr(0, address.rfind(':'));
  return absl::StartsWith(address, "unix:") || host == "localhost" || host == "[::1]" ||
         absl::StartsWith(host, "127.");
}

// Adds the token to every call, whether it is encrypted or not: gRPC's own way is for TLS only.
class TokenInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit TokenInterceptor(const std::string& value) : value_(value) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace("authorization", value_);
    }
    methods->Proceed();
  }

 private:
  const std::string& value_;  // the factory's, which the channel keeps
};

class TokenInterceptorFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenInterceptorFactory(const std::string& token)
      : value_(absl::StrCat("Bearer ", token)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new TokenInterceptor(value_);
  }

 private:
  const std::string value_;
};

}  // namespace

bool UsesTls(const CredentialOptions& options, absl::string_view address) {
  return !options.tls_ca.empty() && !absl::StartsWith(address, "unix:");
}

absl::StatusOr<std::string> CheckToken(absl::string_view text, absl::string_view name) {
  absl::ConsumeSuffix(&text, "\n");
  absl::ConsumeSuffix(&text, "\r");
  if (text.size() < kMinTokenBytes || text.size() > kMaxTokenBytes) {
    return BadOption(name, absl::StrCat("a token has ", kMinTokenBytes, " to ", kMaxTokenBytes,
                                        " characters, and this has ", text.size()));
  }
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return BadOption(name, "a token is one line of graphic ASCII characters, without spaces");
    }
  }
  return std::string(text);
}

absl::StatusOr<Credentials> LoadCredentials(const CredentialOptions& options,
                                            absl::string_view address) {
  Credentials credentials;
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return BadOption(options.tls_key.empty() ? "--tls-cert" : "--tls-key",
                     "a client certificate needs both --tls-cert and --tls-key");
  }
  if (options.tls_ca.empty() && (!options.tls_key.empty() || !options.tls_server_name.empty())) {
    return BadOption(options.tls_key.empty() ? "--tls-server-name" : "--tls-cert",
                     "TLS needs --tls-ca, the authority that the daemon's certificate is from");
  }
  credentials.tls = UsesTls(options, address);
  credentials.server_name = options.tls_server_name;
  const auto read = [](absl::string_view option, const std::string& path, std::string& to) {
    if (path.empty()) return absl::OkStatus();
    absl::StatusOr<std::string> text = ReadPem(option, path);
    if (text.ok()) to = *std::move(text);
    return text.status();
  };
  absl::Status status = read("--tls-ca", options.tls_ca, credentials.authorities);
  if (status.ok()) status = read("--tls-cert", options.tls_certificate, credentials.certificate);
  if (status.ok()) status = read("--tls-key", options.tls_key, credentials.key);
  if (!status.ok()) return status;
  if (options.token_file.empty()) return credentials;

  const absl::StatusOr<std::string> text = ReadFile("--token-file", options.token_file);
  if (!text.ok()) return text.status();
  const std::string name = absl::StrCat("--token-file ", options.token_file);
  absl::StatusOr<std::string> token = CheckToken(*text, name);
  if (!token.ok()) return token.status();
  credentials.token = *std::move(token);
  if (!credentials.tls && !IsThisMachine(address)) {
    return BadOption(name, absl::StrCat("a token is not sent to ", address,
                                        " in the clear, where others can read it; give --tls-ca"));
  }
  return credentials;
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const Credentials& credentials,
                                           grpc::ChannelArguments options) {
  std::shared_ptr<grpc::ChannelCredentials> channel = grpc::InsecureChannelCredentials();
  if (credentials.tls) {
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = credentials.authorities;
    tls.pem_cert_chain = credentials.certificate;
    tls.pem_private_key = credentials.key;
    channel = grpc::SslCredentials(tls);
    if (!credentials.server_name.empty()) {
      options.SetSslTargetNameOverride(credentials.server_name);
    }
  }
  if (credentials.token.empty()) return grpc::CreateCustomChannel(address, channel, options);
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<TokenInterceptorFactory>(credentials.token));
  return grpc::experimental::CreateCustomChannelWithInterceptors(address, channel, options,
                                                                 std::move(interceptors));
}

}  // namespace walden::cli
