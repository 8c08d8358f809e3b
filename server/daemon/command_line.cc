#include "server/daemon/command_line.h"

#include <CLI/CLI.hpp>

#include "base/version.h"

namespace walden {
namespace {

constexpr char kFooter[] =
    "Without a configuration file: one namespace on local disk below ./data, at 127.0.0.1:7070.\n"
    "Every setting can also be given as a WALDEN_... environment variable.\n"
    "SIGTERM and SIGINT: answer what is under way, sync, close, exit. A second one: exit at once.\n"
    "SIGHUP: read the configuration again, take over what can be, and log what needs a restart.\n"
    "\n"
    "Exit codes:\n"
    "  0  stopped by a signal, everything answered was kept\n"
    "  1  could not start: data directory in use or unusable, address in use\n"
    "  2  wrong use of the command line\n"
    "  3  the configuration is wrong\n"
    "  4  stopped, but a region could not be synced while closing, or it took too long\n"
    "  128+n  ended at once by a second signal n\n";

}  // namespace

void DefineCommandLine(CLI::App& app, CommandLineOptions& options) {
  app.name("waldend");
  app.description("waldend: Walden, a write-ahead log as a service.");
  app.add_option("--config", options.config_file, "Configuration file (YAML)")->type_name("FILE");
  app.add_option("--data-dir", options.data_dir, "Where the logs are kept")->type_name("DIR");
  app.add_option("--listen", options.listen,
                 "Address to serve on: host:port, [v6]:port or unix:/path; may be repeated")
      ->type_name("ADDR")
      ->allow_extra_args(false);
  app.add_flag("--check-config", options.check_config,
               "Check the configuration, and that this machine can serve it, and exit");
  app.add_flag("--print-config", options.print_config,
               "Print the effective configuration, with where each setting came from, and exit");
  app.set_version_flag("--version", VersionText("waldend"));
  app.footer(kFooter);
}

bool ParseCommandLine(int argc, char** argv, CommandLineOptions& options, bool& wrong_use) {
  CLI::App app;
  DefineCommandLine(app, options);
  wrong_use = false;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    wrong_use = app.exit(error) != 0;
    return false;
  }
  return true;
}

}  // namespace walden
