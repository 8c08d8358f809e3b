// The options of `waldend` and their help texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace walden {

// The values that the command line gave.
struct CommandLineOptions {
  std::optional<std::string> config_file;
  std::optional<std::string> data_dir;
  std::vector<std::string> listen;
  bool check_config = false;
  bool print_config = false;
};

// Gives `app` the options of `waldend`; parsing stores their values in `options`, which must live
// as long as `app`.
void DefineCommandLine(CLI::App& app, CommandLineOptions& options);

// Reads the command line into `options`. Help, the version and wrong use end here: then it has
// printed them and returns false, and `wrong_use` says which.
bool ParseCommandLine(int argc, char** argv, CommandLineOptions& options, bool& wrong_use);

}  // namespace walden
