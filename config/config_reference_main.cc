// Prints the documentation of the configuration: `walden_config_reference yaml|markdown`.
#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "config/config_reference.h"

int main(int argc, char** argv) {
  const absl::string_view form = argc == 2 ? argv[1] : "";
  if (form != "yaml" && form != "markdown") {
    std::fputs("usage: walden_config_reference yaml|markdown\n", stderr);
    return 2;
  }
  const std::string text =
      form == "yaml" ? walden::DefaultFileReference() : walden::MarkdownReference();
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
