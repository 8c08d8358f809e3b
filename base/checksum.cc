#include "base/checksum.h"

#include <algorithm>

#include <isa-l/crc.h>

namespace walden {
namespace {

constexpr size_t kMaxCall = size_t{1} << 30;  // ISA-L takes an int

}  // namespace

uint32_t Crc32cExtend(uint32_t running, absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), kMaxCall);
    // ISA-L's signature lacks const; the function does not write.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    running = crc32_iscsi(data, static_cast<int>(length), running);
    bytes.remove_prefix(length);
  }
  return running;
}

uint32_t Crc32IeeeExtend(uint32_t before, absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = std::min(bytes.size(), kMaxCall);
    before = crc32_gzip_refl(before, reinterpret_cast<const unsigned char*>(bytes.data()), length);
    bytes.remove_prefix(length);
  }
  return before;
}

}  // namespace walden
