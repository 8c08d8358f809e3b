// Writes the man pages of `walden` and `waldend`, and completions of `walden`, from their help
// texts: `walden_cli_reference walden.1|waldend.8|bash|zsh|fish`.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "base/version.h"
#include "cli/commands/command.h"
#include "cli/commands/program.h"
#include "deploy/packages/reference/completion.h"
#include "deploy/packages/reference/man_page.h"
#include "server/daemon/command_line.h"

namespace walden::reference {
namespace {

// Empty for an unknown form.
std::string Text(const std::string& form) {
  CLI::App daemon;
  CommandLineOptions options;
  DefineCommandLine(daemon, options);
  if (form == "waldend.8") return ManPage(daemon, 8, kVersion, "walden(1)");

  CLI::App client;
  cli::Program program;
  cli::DefineProgram(client, program);
  if (form == "walden.1") return ManPage(client, 1, kVersion, "waldend(8)");
  if (form == "bash") return BashCompletion(client);
  if (form == "zsh") return ZshCompletion(client);
  if (form == "fish") return FishCompletion(client);
  return "";
}

}  // namespace
}  // namespace walden::reference

int main(int argc, char** argv) {
  const std::string text = argc == 2 ? walden::reference::Text(argv[1]) : "";
  if (text.empty()) {
    std::fputs("usage: walden_cli_reference walden.1|waldend.8|bash|zsh|fish\n", stderr);
    return 2;
  }
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
