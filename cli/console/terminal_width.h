// The width of a terminal. Any thread.
#pragma once

#include <cstddef>

namespace walden::cli {

// Columns of the terminal `fd`; else what the variable COLUMNS says; else 80.
size_t TerminalColumns(int fd);

}  // namespace walden::cli
