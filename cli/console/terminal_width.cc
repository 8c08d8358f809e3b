#include "cli/console/terminal_width.h"

#include <sys/ioctl.h>

#include <cstdint>
#include <cstdlib>

#include "cli/console/units.h"

namespace walden::cli {
namespace {

constexpr size_t kDefaultColumns = 80;

}  // namespace

size_t TerminalColumns(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* const variable = std::getenv("COLUMNS");
  const auto columns = ParseNumber(variable == nullptr ? "" : variable);
  return columns.has_value() && *columns > 0 ? static_cast<size_t>(*columns) : kDefaultColumns;
}

}  // namespace walden::cli
