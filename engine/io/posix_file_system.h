// The real file system. Linux; any thread.
#pragma once

#include "engine/io/file_system.h"

namespace walden {

// One for the process; never destroyed.
FileSystem* PosixFileSystem();

}  // namespace walden
