#include "tests/conformance/engine_under_test.h"

#include "engine/segment/format.h"
#include "engine/segment/segment_engine.h"

namespace walden::testing {

const std::vector<EngineUnderTest>& EnginesUnderTest() {
  static const auto* engines = new std::vector<EngineUnderTest>{
      {"segment",
       [](FileSystem* files,
          const std::string& directory) -> absl::StatusOr<std::unique_ptr<LogEngine>> {
         const size_t slash = directory.rfind('/');
         SegmentEngineOptions options;
         options.file_system = files;
         options.clock = Clock::Real();
         options.data_directory = directory.substr(0, slash);
         options.namespace_name = directory.substr(slash + 1);
         return SegmentEngine::Open(options);
       },
       [](uint64_t segment_bytes) {
         return segment_bytes - segment::kMagicBytes - segment::kMinRecordBytes;
       }},
  };
  return *engines;
}

}  // namespace walden::testing
