// `walden token`: makes what callers are recognised by.
#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "cli/client/credentials.h"
#include "cli/commands/commands.h"
#include "cli/console/failure.h"
#include "cli/records/record_reader.h"
#include "nlohmann/json.hpp"

namespace walden::cli {
namespace {

struct TokenOptions {
  bool hash = false;
  std::string out;
};

std::string Sha256Hex(absl::string_view token) {
  const Sha256 hash = Sha256Of(token);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

// 256 random bits. The prefix tells people, and programs that look for leaked secrets, what it is;
// and no token can be taken for a hash.
absl::StatusOr<std::string> MakeToken() {
  unsigned char random[32];
  if (RAND_bytes(random, sizeof(random)) != 1) {
    return absl::InternalError("OpenSSL has no random numbers");
  }
  std::string text;
  absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(random), sizeof(random)), &text);
  return absl::StrCat("walden_", text);
}

absl::StatusOr<std::string> ReadToken(Session& session) {
  RecordReader reader(0, {.name = "standard input",
                          .max_record_bytes = 4096,
                          .interrupt_fd = session.interrupt().fd()});
  const auto line = reader.Next();
  if (!line.ok()) return line.status();
  return CheckToken(line->value_or(""), "standard input");
}

// For its owner's eyes. Never over a file that is there.
absl::Status WriteTokenFile(const std::string& path, const std::string& token) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FileFailure(errno, path);
  const std::string line = absl::StrCat(token, "\n");
  const bool written =
      write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int error = errno;
  if (close(fd) == 0 && written) return absl::OkStatus();
  (void)unlink(path.c_str());
  return FileFailure(written ? errno : error, path);
}

absl::Status Run(Session& session, const TokenOptions& options) {
  const absl::StatusOr<std::string> token = options.hash ? ReadToken(session) : MakeToken();
  if (!token.ok()) return token.status();
  const std::string hash = Sha256Hex(*token);
  if (!options.out.empty()) {
    if (absl::Status written = WriteTokenFile(options.out, *token); !written.ok()) return written;
  }
  const bool shown = !options.hash && options.out.empty();
  if (session.json()) {
    Json json;
    if (shown) json["token"] = *token;
    json["token_sha256"] = hash;
    return session.PrintJson(json);
  }
  if (shown) {
    session.Note("The token is shown this once; the daemon's identities file gets the hash.");
    absl::Status printed = session.out().Write(absl::StrCat("token: ", *token, "\n"));
    if (!printed.ok()) return printed;
  }
  return session.out().Write(absl::StrCat("token_sha256: ", hash, "\n"));
}

}  // namespace

void AddTokenCommand(CommandSet& commands) {
  auto options = std::make_shared<TokenOptions>();
  Command command = commands.AddOffline(
      "token",
      "Make a random token for a caller, and its hash for the daemon's identities file.\n"
      "The token goes into the caller's --token-file. The identities file holds only the hash.",
      {"walden token", "walden token --out ingest.token", "walden token --hash < ingest.token"});
  const Option hash =
      command.AddFlag("--hash", options->hash, "Read a token from standard input; print its hash");
  command
      .Add("-o,--out", options->out,
           "Write the token to a new file that only you can read; print its hash")
      .Value("FILE")
      .Excludes(hash);
  command.Runs([options](Session& session) { return Run(session, *options); });
}

}  // namespace walden::cli
