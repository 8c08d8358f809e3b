#include "engine/checksum.h"

#include <algorithm>

#include <isa-l/crc.h>

namespace walden {

uint32_t Crc32cExtend(uint32_t running, absl::string_view bytes) {
  constexpr size_t kMaxCall = size_t{1} << 30;  // ISA-L takes an int
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), kMaxCall);
    // ISA-L's signature lacks const; the function does not write.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    running = crc32_iscsi(data, static_cast<int>(length), running);
    bytes.remove_prefix(length);
  }
  return running;
}

}  // namespace walden
