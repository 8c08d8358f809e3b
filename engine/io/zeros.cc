#include "engine/io/zeros.h"

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"

namespace walden {

absl::Status WriteZeros(File& file, uint64_t begin, uint64_t end) {
  constexpr uint64_t kStepBytes = 1 << 20;
  if (begin >= end) return absl::OkStatus();
  const std::string zeros(std::min(kStepBytes, end - begin), '\0');
  for (uint64_t at = begin; at < end; at += zeros.size()) {
    const uint64_t step = std::min<uint64_t>(zeros.size(), end - at);
    const absl::Status status = file.Write(at, {absl::string_view(zeros).substr(0, step)});
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace walden
