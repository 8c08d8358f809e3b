// File and Mapping on a POSIX file descriptor.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"

namespace walden {

// Takes over `descriptor`.
std::unique_ptr<File> MakePosixFile(std::string path, int descriptor);

}  // namespace walden
