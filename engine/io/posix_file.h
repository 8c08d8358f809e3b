// File and Mapping on a POSIX file descriptor.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"

namespace walden {

// Makes a File that owns `descriptor`.
std::unique_ptr<File> MakePosixFile(std::string path, int descriptor);

// Makes a File that reads from the medium (FileSystem::OpenMode). Owns both descriptors of the same
// file; `direct` is opened with O_DIRECT, or -1.
std::unique_ptr<File> MakePosixMediumFile(std::string path, int buffered, int direct);

}  // namespace walden
