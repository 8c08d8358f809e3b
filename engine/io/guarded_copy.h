// Copies out of a mapping and survives a page that cannot be read.
#pragma once

#include <cstddef>

namespace walden {

// Copies; false if the kernel raised SIGBUS for a page of [from, from + length): a bad disk block,
// or a file cut short under its mapping. Any thread. The first call installs a process-wide SIGBUS
// handler; a SIGBUS from anywhere else goes to the handler that was there before.
bool GuardedCopy(char* to, const char* from, size_t length);

}  // namespace walden
